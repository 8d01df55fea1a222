"""What the cook says: the words of each action, how they are wrapped, and how they go wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triptych.demo.kitchen import Plan, Step
from triptych.demo.knobs import Knobs
from triptych.seeds import derive


@dataclass(frozen=True)
class Cue:
    """A caption from ``start`` to ``end`` seconds."""

    start: float
    end: float
    text: str


# Ways to say an action: after "now you", and after "I'm" or "keep".
PHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "stir the pot": (
        ("stir the pot", "stirring the pot"),
        ("stir the soup", "stirring the soup"),
        ("give the pot a good stir", "stirring everything in the pot"),
    ),
    "smooth the batter": (
        ("smooth the batter", "smoothing the batter"),
        ("even out the batter", "smoothing out the batter"),
        ("level the batter", "leveling the batter"),
    ),
    "scoop the rice": (
        ("scoop the rice", "scooping the rice"),
        ("spoon out the rice", "scooping up the rice"),
        ("serve the rice", "serving the rice"),
    ),
    "squash the berries": (
        ("squash the berries", "squashing the berries"),
        ("squish the berries", "squishing the raspberries"),
        ("burst the berries", "squashing the raspberries"),
    ),
    "beat the eggs": (
        ("beat the eggs", "beating the eggs"),
        ("whisk the eggs", "whisking the eggs"),
        ("beat the yolks", "beating the yolks and the eggs"),
    ),
    "froth the milk": (
        ("froth the milk", "frothing the milk"),
        ("foam the milk", "foaming the milk"),
        ("froth up the warm milk", "getting the milk nice and frothy"),
    ),
    "whip the cream": (
        ("whip the cream", "whipping the cream"),
        ("whip up the cream", "whipping the cream to soft peaks"),
        ("thicken the cream", "whisking the cream"),
    ),
    "chop the carrots": (
        ("chop the carrots", "chopping the carrots"),
        ("dice the carrots", "dicing the carrots"),
        ("chop up the vegetables", "chopping vegetables"),
    ),
    "slice the bread": (
        ("slice the bread", "slicing the bread"),
        ("cut the loaf into slices", "slicing the loaf"),
        ("saw through the bread", "cutting slices of bread"),
    ),
    "crush the garlic": (
        ("crush the garlic", "crushing the garlic"),
        ("smash the garlic cloves", "smashing the cloves"),
        ("flatten the garlic", "flattening the garlic with the blade"),
    ),
    "spread the icing": (
        ("spread the icing", "spreading the icing"),
        ("ice the cake", "icing the cake"),
        ("spread on the frosting", "spreading the frosting"),
    ),
    "flip the pancake": (
        ("flip the pancake", "flipping the pancake"),
        ("turn over the pancake", "flipping it over"),
        ("flip the crepe", "turning the pancake"),
    ),
    "press the burger": (
        ("press the burger", "pressing the burger"),
        ("press down the patty", "pressing the patty"),
        ("sear the patty", "squeezing the burger down"),
    ),
    "grease the tin": (
        ("grease the tin", "greasing the tin"),
        ("oil the pan", "oiling the tin"),
        ("grease the pan with oil", "greasing the pan"),
    ),
    "dab the butter": (
        ("dab the butter", "dabbing the butter"),
        ("dab on melted butter", "dabbing butter all over"),
        ("dot it with butter", "dotting the butter"),
    ),
    "glaze the pastry": (
        ("glaze the pastry", "glazing the pastry"),
        ("paint on the glaze", "painting the glaze"),
        ("brush the pastry with glaze", "brushing the pastry"),
    ),
    "toss the salad": (
        ("toss the salad", "tossing the salad"),
        ("mix the salad leaves", "mixing the salad"),
        ("toss the leaves in the dressing", "tossing the lettuce"),
    ),
    "prick the dough": (
        ("prick the dough", "pricking the dough"),
        ("poke holes in the dough", "poking little holes"),
        ("prick the base", "pricking the base all over"),
    ),
    "wind the spaghetti": (
        ("wind the spaghetti", "winding the spaghetti"),
        ("twirl the pasta", "twirling the spaghetti"),
        ("twist up the noodles", "twisting the pasta"),
    ),
    "crimp the pie": (
        ("crimp the pie", "crimping the pie"),
        ("seal the edges of the pie", "sealing the crust"),
        ("crimp the crust", "crimping the edges"),
    ),
}

TO_DO = (
    "now you {}",
    "next we're going to {}",
    "okay so just {}",
    "then you want to {}",
    "go ahead and {}",
    "and after that {} like this",
    "what I like to do here is {}",
)
DOING = ("so here I'm {}", "keep {}", "and now we're {}", "you can see me {} here", "I'm just {}")
MANNERS = (
    "nice and gently",
    "until it looks right",
    "for a minute or so",
    "don't rush it",
    "just like that",
    "as evenly as you can",
    "it takes a little practice",
)
CHAT = (
    "that smells so good already",
    "my grandmother taught me this",
    "let me know in the comments",
    "you can use whatever you have at home",
    "I made this last weekend and everyone loved it",
    "let me move this out of the way",
    "sorry about the noise",
    "look at that beautiful colour",
)
HELLOS = (
    "hi everyone welcome back",
    "hello and welcome to my kitchen",
    "hey guys so today {}",
    "today we're making {}",
    "let's make some {}",
)
FILLERS = ("um", "you know", "like", "so", "right", "actually", "basically")


def captions(plan: Plan, knobs: Knobs) -> list[Cue]:
    """The captions in the order of time, none overlapping another.

    One to a step, about as long as the step, and a greeting before the first. Where nothing is
    said of a step there is chit-chat or silence.
    """
    draw = np.random.default_rng(derive(plan.seed, "words"))
    hello = str(draw.choice(HELLOS)).format(plan.task)
    cues = [Cue(0.1, plan.steps[0].start - 0.05, hello)]
    late = knobs.narration_offset * float(draw.standard_normal())  # this cook's habit
    for step in plan.steps:
        shift = 0.7 * late + 0.7 * knobs.narration_offset * float(draw.standard_normal())
        text = _sentence(step, draw)
        if not step.narrated:
            text = str(draw.choice(CHAT)) if draw.random() < 0.5 else ""
        cues.append(Cue(step.start + shift, step.end + shift, text))
    said = [Cue(cue.start, cue.end, _misheard(cue.text, knobs, draw)) for cue in cues]
    return _in_turn([cue for cue in said if cue.text], plan.seconds)


def queries() -> list[tuple[str, str]]:
    """(words, action) pairs: what one would search for, and the action that they describe."""
    return [(action, action) for action in PHRASES]


def _sentence(step: Step, draw: np.random.Generator) -> str:
    ways = PHRASES[step.action.name]
    # The plainest way of saying it is the commonest.
    plain, going_on = ways[int(draw.choice(len(ways), p=(0.5, 0.25, 0.25)))]
    if draw.random() < 0.65:
        text = str(draw.choice(TO_DO)).format(plain)
    else:
        text = str(draw.choice(DOING)).format(going_on)
    if draw.random() < 0.3:
        text += f" with the {step.action.tool}"
    if draw.random() < 0.4:
        text += f" {draw.choice(MANNERS)}"
    if draw.random() < 0.15:
        text += f" {draw.choice(CHAT)}"
    return text


def _misheard(text: str, knobs: Knobs, draw: np.random.Generator) -> str:
    """The transcript: fillers come in, and words get garbled, swapped or lost."""
    heard: list[str] = []
    for word in text.split():
        if draw.random() < 0.06:
            heard.append(str(draw.choice(FILLERS)))
        if draw.random() >= knobs.transcription_noise:
            heard.append(word)
            continue
        mishap = draw.random()
        if mishap < 0.4:
            heard.append(_garbled(word, draw))
        elif mishap < 0.8:
            heard.append(str(draw.choice(_ANY_WORD)))
    return " ".join(heard)


def _garbled(word: str, draw: np.random.Generator) -> str:
    letters = list(word)
    at = int(draw.integers(len(letters)))
    letters[at] = "abcdefghiklmnoprstuwy"[int(draw.integers(21))]
    return "".join(letters)


def _in_turn(cues: list[Cue], seconds: float) -> list[Cue]:
    """Sorted, inside the video, each ending before the next begins; none shorter than 0.3 s."""
    cues = sorted(cues, key=lambda cue: cue.start)
    turns: list[Cue] = []
    for place, cue in enumerate(cues):
        start = max(cue.start, turns[-1].end if turns else 0.0)
        following = cues[place + 1].start if place + 1 < len(cues) else seconds
        end = min(cue.end, seconds, max(following, start + 0.5))
        if end - start >= 0.3:
            turns.append(Cue(round(start, 3), round(end, 3), cue.text))
    return turns


def webvtt(cues: list[Cue]) -> str:
    """The captions as a WebVTT file."""
    blocks = [f"{_clock(cue.start)} --> {_clock(cue.end)}\n{cue.text}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


_ANY_WORD = sorted({word for ways in PHRASES.values() for word in ways[0][0].split()})
