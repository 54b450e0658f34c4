"""What the simulator says around a report's own words, in both languages."""

from dataclasses import dataclass

from gateway.dev.voice.relevance import Intent


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """One language's phrases; {topic} is what was asked about, {title} the report's."""

    about_topic: dict[Intent, tuple[str, ...]]
    in_general: dict[Intent, tuple[str, ...]]
    foreign_report: str
    figures: str
    follow_up: tuple[str, ...]  # {subjects} are two or three more that the report covers
    not_covered: tuple[str, ...]
    covers: str
    greeting: str
    no_report: str
    quoted: str  # how one of several subjects is written
    context: str  # {sentence} stands near to the answer
    themes: dict[Intent, str]  # what else a report is asked about
    long_enough: int  # an answer of so many characters needs no invitation to ask on


KOREAN = Phrases(
    about_topic={
        Intent.TOPIC: (
            "**{topic}** 관련 내용을 리포트에서 찾아 정리했습니다.",
            "리포트는 **{topic}** 부분을 다음과 같이 설명합니다.",
        ),
        Intent.WHY: (
            "**{topic}** 변화의 배경을 리포트는 이렇게 설명합니다.",
            "리포트가 말하는 **{topic}** 변화의 이유는 다음과 같습니다.",
        ),
        Intent.FIGURES: ("**{topic}** 수치를 정리했습니다.", "**{topic}** 수치는 다음과 같습니다."),
        Intent.CHANGE: ("**{topic}** 부분은 이전과 비교해 이렇게 달라졌습니다.",),
        Intent.RISK: ("**{topic}** 쪽에서 리포트가 꼽는 위험 요인은 다음과 같습니다.",),
        Intent.OUTLOOK: ("**{topic}** 전망을 리포트는 이렇게 보고 있습니다.",),
    },
    in_general={
        Intent.SUMMARY: (
            "**{title}** 리포트의 핵심을 정리해 드리겠습니다.",
            "**{title}** 리포트를 요약하면 다음과 같습니다.",
        ),
        Intent.WHY: ("리포트는 그 이유를 다음과 같이 설명합니다.",),
        Intent.FIGURES: ("리포트에 나온 주요 수치를 정리했습니다.",),
        Intent.CHANGE: ("이전과 비교해 달라진 점은 다음과 같습니다.",),
        Intent.RISK: (
            "리포트가 꼽는 **위험 요인**은 다음과 같습니다.",
            "눈여겨볼 **위험 요인**을 리포트에서 추렸습니다.",
        ),
        Intent.OUTLOOK: ("앞으로의 **전망**을 리포트는 이렇게 보고 있습니다.",),
        Intent.TOPIC: ("질문과 가까운 내용을 리포트에서 골라 보았습니다.",),
    },
    foreign_report="리포트가 영어로 쓰여 있어 영어 문장을 그대로 옮깁니다.",
    figures="관련 수치",
    follow_up=(
        "이어서 {subjects}에 대해서도 물어보실 수 있습니다.",
        "더 살펴보고 싶으시면 {subjects}에 대해서도 물어봐 주세요.",
    ),
    not_covered=(
        "이 리포트에는 **{topic}** 관련 내용이 나와 있지 않아 답을 드리기 어렵습니다.",
        "**{topic}** 관련 내용은 이 리포트에서 찾을 수 없었습니다. 짐작으로 답하지는 않겠습니다.",
    ),
    covers="대신 **{title}** 리포트가 다루는 다음 내용은 답해 드릴 수 있습니다.",
    greeting="안녕하세요! **{title}** 리포트에 대해 궁금한 점을 물어보세요. 이런 내용을 다룹니다.",
    no_report=(
        "이 대화에는 연결된 리포트가 없어서 질문에 근거를 들어 답하기 어렵습니다. "
        "리포트를 하나 고르고 다시 물어봐 주세요. "
        "그러면 다음과 같은 질문에 답해 드릴 수 있습니다.\n\n"
        "- **요약**: 핵심만 간단히\n"
        "- **변화**: 이전과 달라진 점과 그 이유\n"
        "- **전망**: 앞으로의 예상과 위험 요인"
    ),
    quoted="‘{subject}’",  # noqa: RUF001 - Korean marks a term with these
    context="함께 볼 대목도 있습니다. {sentence}",
    themes={Intent.OUTLOOK: "앞으로의 전망", Intent.RISK: "위험 요인"},
    long_enough=260,
)

ENGLISH = Phrases(
    about_topic={
        Intent.TOPIC: (
            "Here is what the report says about **{topic}**.",
            "On **{topic}**, the report makes these points.",
        ),
        Intent.WHY: (
            "The report explains the change in **{topic}** like this.",
            "This is the background the report gives for **{topic}**.",
        ),
        Intent.FIGURES: ("These are the report's figures on **{topic}**.",),
        Intent.CHANGE: ("For **{topic}**, this is what has changed.",),
        Intent.RISK: ("On **{topic}**, the report names these risks.",),
        Intent.OUTLOOK: ("This is how the report sees the outlook for **{topic}**.",),
    },
    in_general={
        Intent.SUMMARY: (
            "Here are the main points of **{title}**.",
            "In short, this is what **{title}** says.",
        ),
        Intent.WHY: ("The report gives the following reasons.",),
        Intent.FIGURES: ("These are the main figures in the report.",),
        Intent.CHANGE: ("Compared with the earlier period, this is what **changed**.",),
        Intent.RISK: (
            "The report names these **risks**.",
            "These are the **risks** the report asks you to watch.",
        ),
        Intent.OUTLOOK: ("This is the **outlook** the report gives.",),
        Intent.TOPIC: ("These points in the report come closest to your question.",),
    },
    foreign_report="The report is written in Korean, so these are its own sentences.",
    figures="Figures",
    follow_up=(
        "You can also ask about {subjects}.",
        "If you would like to go further, ask me about {subjects}.",
    ),
    not_covered=(
        "This report says nothing about **{topic}**, so I cannot answer that from it.",
        "I could not find anything about **{topic}** in this report, and I would rather not guess.",
    ),
    covers="What I can tell you about, from **{title}**:",
    greeting="Hello! Ask me anything about **{title}**. It covers, among other things:",
    no_report=(
        "No report is attached to this conversation, so I have nothing to base an answer on. "
        "Choose a report and ask again; then I can help with questions like these.\n\n"
        "- **Summary**: the main points in a few lines\n"
        "- **Changes**: what is different from before, and why\n"
        "- **Outlook**: what is expected next, and the risks"
    ),
    quoted="*{subject}*",
    context="For context: {sentence}",
    themes={Intent.OUTLOOK: "the outlook", Intent.RISK: "the risks"},
    long_enough=620,
)
