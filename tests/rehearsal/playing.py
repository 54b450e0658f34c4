"""Play one scene: harm, ask, heal, and say what could be seen."""

from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.scrape import Scrape
from tests.rehearsal.account import Account, lines, moves, steps
from tests.rehearsal.reader import Seen
from tests.rehearsal.scenes import LONG_QUESTIONS, QUESTIONS, Outage, Scene
from tests.rehearsal.theatre import Theatre

# The language whose question is measured; the other one is only read.
MEASURED, READ = "ko", "en"


async def play(scene: Scene, theatre: Theatre) -> Account:
    """Play `scene` for both readers, one after the other, and return what it looked like."""
    for locale, reader in theatre.readers.items():
        await reader.begin()
        if scene.outage is Outage.REDIS:
            # Otherwise there is nothing that Redis could have remembered.
            await reader.ask(QUESTIONS[locale])
    before, said = await Scrape.of(theatre.ops_url), len(theatre.log)
    server = _victim(scene, theatre)
    if server is not None:
        server.kill()
    seen = {MEASURED: await _ask(scene, theatre, MEASURED)}
    trace_id = seen[MEASURED].trace_id
    view = await theatre.timeline(trace_id)
    after = await Scrape.of(theatre.ops_url)
    if scene.heard:
        await theatre.logged(scene.heard, since=said)
    log = theatre.log[said:]
    seen[READ] = await _ask(scene, theatre, READ)
    healed = readiness = None
    if server is not None:
        readiness = await theatre.readiness()
        await server.start()
        await theatre.ready()
        healed = await _ask_again(theatre, failed=seen[MEASURED].retry)
    return Account(
        pages=seen,
        readiness=readiness,
        healed=healed,
        metrics=moves(before, after),
        log=lines(log, trace_id=trace_id),
        timeline=steps(view),
    )


def _victim(scene: Scene, theatre: Theatre) -> EmbeddedServer | None:
    match scene.outage:
        case Outage.POSTGRES:
            return theatre.postgres
        case Outage.REDIS:
            return theatre.redis
        case None:
            return None


async def _ask(scene: Scene, theatre: Theatre, locale: str) -> Seen:
    if scene.fault is not None:
        await theatre.arm(scene.fault, times=scene.times)
    questions = LONG_QUESTIONS if scene.is_dear else QUESTIONS
    return await theatre.readers[locale].ask(questions[locale])


async def _ask_again(theatre: Theatre, *, failed: bool) -> Seen:
    reader = theatre.readers[MEASURED]
    return await (reader.try_again() if failed else reader.ask(QUESTIONS[MEASURED]))
