"""The words, and who speaks them: voices of eSpeak NG, apart for training and for the test.

A speaker is a voice variant. Variants of one family (steph, steph2, steph3) are on one side, so
that no test speaker was heard in training by another name; whispers and effects are left out. The
test's words that are no keywords are ones that training never heard.
"""

from __future__ import annotations

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE = len(KEYWORDS), len(KEYWORDS) + 1
LABELS = (*KEYWORDS, "unknown", "silence")

ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-029")

TRAINING_SPEAKERS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5"),
    *("klatt", "klatt2", "klatt3", "klatt4", "Alicia", "Annie", "Denis", "Diogo", "Gene"),
    *("Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Mike", "Mr serious", "Nguyen"),
    *("adam", "anika", "antonio", "aunty", "belinda", "david", "ed", "edward", "grandpa"),
    *("gustave", "iven", "iven2", "john", "kaukovalta", "marcelo", "max", "michel", "norbert"),
    *("pablo", "pedro", "rob", "sandro", "shelby", "travis", "victor"),
)
TEST_SPEAKERS = (
    *("Alex", "Andrea", "Andy", "Michael", "benjamin", "boris", "caleb", "grandma", "linda"),
    *("miguel", "paul", "quincy", "robert", "steph", "zac"),
)

TRAINING_OTHERS = (
    *("bed", "bird", "cat", "dog", "eight", "five", "four", "happy", "house", "nine", "one"),
    *("seven", "six", "three", "two", "wow", "zero", "open", "close", "water", "table", "hello"),
    *("music", "light", "button", "window", "garden", "paper", "seat", "note", "town", "loft"),
    *("cup", "show", "steps", "rice", "less", "dawn", "often", "gold", "own", "step", "gone"),
)
TEST_OTHERS = (
    *("tree", "marvin", "sheila", "follow", "learn", "visual", "forward", "backward", "kitchen"),
    *("morning", "doctor", "silver", "lamp", "chess", "brown", "night", "bread", "cloud"),
)
