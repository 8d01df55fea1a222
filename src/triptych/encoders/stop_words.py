"""English function words, which say nothing about what happens in a video."""

STOP_WORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below
    between both but by can could did do does doing done down during each few for from further
    get gets getting go goes going gonna got had has have having he her here hers herself him
    himself his how i if in into is it its itself just like me more most my myself no nor not now
    of off ok okay on once one only or other our ours ourselves out over own really right same she
    should so some such than that the their theirs them themselves then there these they this
    those through to too under until up us very want was we well were what when where which while
    who whom why will with would yeah you your yours yourself yourselves
    don't doesn't didn't it's i'm i'll i've i'd you're you'll you've you'd we're we'll we've we'd
    that's there's here's let's he's she's they're they'll can't won't isn't aren't wasn't gonna
    """.split()
)
