"""Compose answers far longer than anyone asked for, for limits, scrolling and page tests."""

import itertools
from collections.abc import Callable, Sequence
from enum import StrEnum, unique

from gateway.dev.openai_wire import Line
from gateway.dev.voice.answers import compose
from gateway.dev.voice.korean import is_korean

LONG_TOKENS = 1_500
IGNORED_LIMIT_TOKENS = 4_000


@unique
class LongModel(StrEnum):
    """The models whose answers are long; nothing else is wrong with them."""

    LONG = "sim-long"
    KOREAN_PAGE = "sim-korean-20k"


_KOREAN_QUESTIONS = (
    *("요약해 줘", "무엇이 달라졌어?", "이유가 뭐야?"),
    *("앞으로의 전망은?", "위험 요인은?", "수치를 보여 줘"),
)
_ENGLISH_QUESTIONS = (
    *("Summarise the report", "What changed?", "What are the reasons?"),
    *("What is the outlook?", "What are the risks?", "Show the figures"),
)


def long_answer(
    lines: Sequence[Line], *, count: Callable[[str], int], tokens: int = LONG_TOKENS
) -> str:
    """Return an answer of at least `tokens` tokens that goes through the report again and again."""
    question = next((line.content for line in reversed(lines) if line.role == "user"), "")
    questions = _KOREAN_QUESTIONS if is_korean(question) else _ENGLISH_QUESTIONS
    background = tuple(line for line in lines if line.role != "user")
    sections: list[str] = []
    written = 0
    for number, asked in enumerate(itertools.cycle(questions), start=1):
        section = f"## {number}. {asked}\n\n{compose((*background, Line('user', asked)))}"
        sections.append(section)
        written += count(section)
        if written >= tokens:
            return "\n\n".join(sections)
    raise AssertionError("cycle() has no end")


def korean_page() -> str:
    """Return a Korean Markdown page of about 20 KB with headings, lists, tables and code."""
    sections = (
        _SECTION.format(
            number=number,
            region=region,
            now=base + number * 37,
            before=base,
            change=round(number * 3700 / base, 1),
            days=f"{number}~{number + 2}",
            rate=80 + number,
            key=f"region_{number}",
        )
        for number, (region, base) in enumerate(_REGIONS, start=1)
    )
    return "\n".join([_PAGE_OPENING, *sections, _PAGE_CLOSING])


_REGIONS = (
    *(("서울·경기", 4120), ("부산·경남", 2380), ("대구·경북", 1960), ("광주·전남", 1540)),
    *(("대전·충남", 1720), ("강원", 880), ("충북", 1050), ("전북", 970), ("제주", 640)),
    *(("세종", 730), ("인천", 2210), ("울산", 1880)),
)
_PAGE_OPENING = """# 지역별 물류 현황 종합

이 글은 화면 시험을 위해 시뮬레이터가 지어낸 긴 답변입니다. 지역마다 **처리량**, *소요 기간*, 할 \
일을 정리하고 표와 목록, 코드를 함께 실었습니다. 올해 **GDP(국내총생산)**은 완만하게 늘었고 \
물동량도 그 흐름을 따랐습니다.
"""
_SECTION = """## {number}. {region} 지역

{region} 지역의 분기 처리량은 **{now:,}톤(t)**으로 지난해 같은 기간의 {before:,}톤보다 \
**{change}%** 늘었습니다. 배송에는 평균 {days}일이 걸렸으며, 명절 직전 일주일 동안은 이틀가량 더 \
걸렸습니다. 현장에서는 인력보다 차량 부족을 더 큰 어려움으로 꼽았고, 새벽 시간대의 상하차 대기가 \
전체 지연의 절반을 차지했습니다.

### 주요 지표

| 구분 | 지난해 | 올해 | 비고 |
|:---|---:|---:|:---:|
| 처리량(톤) | {before:,} | {now:,} | **증가** |
| 평균 소요 기간 | {days}일 | {days}일 | 변화 없음 |
| 정시 도착률 | {rate}.2% | {rate}.8% | 0.6%p 상승 |

### 확인할 일

1. **차량 배정**을 다시 살펴봅니다.
   - 새벽 4~6시 구간에 차량을 두 대 더 배정합니다.
   - 공차 운행 비율이 20%를 넘는 노선은 하나로 합칩니다.
2. *대기 시간*을 줄입니다.
   - 예약제를 시범 운영하고, `{key}` 항목으로 결과를 기록합니다.
   - 3일 이상 지연된 건은 담당자가 **당일(업무 시간 안)**에 고객에게 알립니다.
3. ~~종이 인수증~~은 전자 인수증으로 바꿉니다.

> 현장 의견: “차량만 제때 들어오면 지금 인원으로도 충분합니다. 다만 비가 오는 날에는 상차장 \
지붕이 필요합니다.”

```python
def summary(now: int, before: int) -> str:
    # {region} 지역의 증감률을 한 줄로 적습니다.
    change = (now - before) / before * 100
    return f"{key}: {{now:,}}톤 ({{change:+.1f}}%)"


print(summary(now={now}, before={before}))
```
"""
_PAGE_CLOSING = """---

## 마무리

열두 지역 모두 처리량이 늘었지만 늘어난 폭은 서로 달랐습니다. 다음 분기에는 **차량 배정**과 \
**예약제**의 효과를 같은 기준으로 비교해 보시기를 권합니다. 더 궁금한 지역이 있으면 이름을 \
말씀해 주세요.
"""
