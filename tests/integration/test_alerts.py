"""Each alert fires when it should, and only then; whoever is woken is told what to do."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.integration.prometheus import JOB, ROOT, promtool

RULES = ROOT / "docs" / "alerts.yaml"
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
# One sample a minute.
MINUTES = 90


class Case(msgspec.Struct, frozen=True):
    """What happens, as series in promtool's notation, and which alert that is after how many minutes."""

    alert: str
    series: dict[str, str]
    after: int = 30


def rising(series: str, step: float = 60) -> dict[str, str]:
    """Return a counter that rises by `step` a minute, after having stood still."""
    return {series: f"0x10 0+{step}x{MINUTES}"}


def buckets(series: str, bound: str) -> dict[str, str]:
    """Return a histogram into which a value comes every second, always just below `bound`."""
    name, _, labels = series.rstrip("}").partition("{")
    labels = f"{labels}," if labels else ""
    lower = {"0.25": "0.1", "0.5": "0.25", "1.0": "0.5", "20.48": "10.24"}[bound]
    return {
        f'{name}_bucket{{{labels}le="{lower}"}}': f"0x{MINUTES}",
        **rising(f'{name}_bucket{{{labels}le="{bound}"}}'),
        **rising(f'{name}_bucket{{{labels}le="+Inf"}}'),
    }


# A gateway at which all is well: everything that alerts look at is there, and moves as on a busy day.
ALL_WELL = {
    f'up{{job="{JOB}"}}': f"1x{MINUTES}",
    'chatgw_build_info{version="1"}': f"1x{MINUTES}",
    **rising('chatgw_turns_total{outcome="ok"}'),
    **rising('chatgw_turns_total{outcome="client_cancel"}', 6),
    **rising('chatgw_turns_total{outcome="upstream_error"}', 1),
    **rising('chatgw_upstream_attempts_total{result="ok"}'),
    **rising('chatgw_upstream_attempts_total{result="5xx"}', 5),
    **rising('chatgw_errors_total{code="invalid_frame"}'),
    **rising('chatgw_cost_usd_total{source="reported"}', 0.1),
    **rising('chatgw_cost_usd_total{source="estimated"}', 0.01),
    **rising('chatgw_connections_total{result="accepted"}'),
    **rising('chatgw_disconnects_total{code="1001"}'),
    **rising('chatgw_send_queue_dropped_connections_total{reason="slow"}', 1),
    **rising('chatgw_dependency_duration_seconds_count{dependency="postgres",result="ok"}'),
    **rising('chatgw_dependency_duration_seconds_count{dependency="redis",result="ok"}'),
    "chatgw_answers_pending": f"0x{MINUTES}",
}
CASES = (
    Case("GatewayGone", {'chatgw_build_info{version="1"}': "1x10 stale"}),
    Case("GatewayProcessGone", {f'up{{job="{JOB}"}}': f"1x10 0x{MINUTES}"}),
    Case("GatewayAnswersFail", rising('chatgw_turns_total{outcome="idle_timeout"}', 6)),
    Case("GatewayFirstTextSlow", buckets("chatgw_time_to_first_chunk_seconds", "20.48")),
    Case("GatewayUpstreamFails", rising('chatgw_upstream_attempts_total{result="429"}', 40)),
    Case("GatewayKeyRefused", rising('chatgw_errors_total{code="key_invalid"}', 1)),
    Case("GatewayBug", rising('chatgw_errors_total{code="internal"}', 1)),
    Case("GatewayAnswersNotDurable", {"chatgw_answers_pending": f"0x10 2x{MINUTES}"}),
    Case(
        "GatewayPostgresFails",
        rising('chatgw_dependency_duration_seconds_count{dependency="postgres",result="error"}', 1),
    ),
    Case(
        "GatewayPostgresSlow",
        buckets('chatgw_dependency_duration_seconds{dependency="postgres"}', "0.5"),
    ),
    Case(
        "GatewayRedisFails",
        rising('chatgw_dependency_duration_seconds_count{dependency="redis",result="timeout"}', 1),
    ),
    Case("GatewayLoopLags", buckets("chatgw_event_loop_lag_seconds", "0.25")),
    Case("GatewayBudgetSpent", rising('chatgw_errors_total{code="daily_budget_reached"}', 1)),
    Case("GatewaySpendsFast", rising('chatgw_cost_usd_total{source="reported"}', 1)),
    Case(
        "GatewayCostEstimated",
        rising('chatgw_cost_usd_total{source="estimated"}', 0.06),
        after=MINUTES,
    ),
    Case("GatewayTurnsAway", rising('chatgw_connections_total{result="limit"}', 1)),
    Case(
        "GatewayDropsReaders",
        rising('chatgw_send_queue_dropped_connections_total{reason="no_pong"}', 30),
    ),
)


def firing(folder: Path, series: dict[str, str], *, after: int, expected: list[str]) -> str:
    """Check with promtool that after so many minutes of `series` just the alerts `expected` fire."""
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{after}m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in expected
                        ],
                    }
                ],
            }
        ],
    }
    file = folder / "alerts_test.yml"
    file.write_text(yaml.safe_dump(test))
    return promtool("test", "rules", file)


def test_promtool_takes_them() -> None:
    """`promtool check rules` finds nothing."""
    assert "SUCCESS" in promtool("check", "rules", RULES)


@pytest.mark.parametrize("after", [5, 30, MINUTES])
def test_all_is_well(tmp_path: Path, after: int) -> None:
    """On a good day nothing fires."""
    firing(tmp_path, ALL_WELL, after=after, expected=[])


@pytest.mark.parametrize("case", CASES, ids=[case.alert for case in CASES])
def test_fires(tmp_path: Path, case: Case) -> None:
    """What goes wrong is one alert: the one for it."""
    firing(tmp_path, ALL_WELL | case.series, after=case.after, expected=[case.alert])


def test_every_alert_is_tried() -> None:
    """No alert is without such a case."""
    assert [case.alert for case in CASES] == [alert["alert"] for alert in ALERTS]


@pytest.mark.parametrize("alert", ALERTS, ids=[alert["alert"] for alert in ALERTS])
def test_says_what_to_do(alert: dict[str, Any]) -> None:
    """Each alert says what is the matter, what to do, and where in docs/operations.md there is more."""
    assert alert["annotations"].keys() == {"summary", "do", "runbook"}
    assert alert["labels"]["severity"] in {"page", "ticket"}
    page, _, heading = alert["annotations"]["runbook"].partition("#")
    assert page == "docs/operations.md"
    titles = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    assert heading in {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}
    assert f"| `{alert['alert']}` |" in PAGE
