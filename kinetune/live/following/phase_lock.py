"""How closely music keeps step with a body: the mean resultant length of their phase difference.

Circular statistics (Mardia and Jupp 2000), as for people who run or drum to music (D-Jogger, Moens
et al. 2014). Seconds.
"""

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

#: Before this a live reading has seen too little to be measured.
SETTLED_S = 8.0


def phase_lock(music_s: Times, body_s: Times, *, from_s: float = 0.0) -> float:
    """Return R = |mean(exp(2 pi i d / period))|, d from each music beat to the body's beats.

    The body's phase goes from 0 to 1 between its beats, so that a period is that of the beats
    around a music beat. 1 is a constant distance, 0 none at all; music at double tempo has half of
    its beats between the body's, and so 0.

    Args:
        music_s: Beats of the music, (n,).
        body_s: Beats of the body, ascending, two or more.
        from_s: Music beats before this, and those outside the body's, don't count.

    Returns:
        0 to 1; 0 where no beat counts.
    """
    inside = (music_s >= max(from_s, body_s[0])) & (music_s <= body_s[-1])
    if not inside.any():
        return 0.0
    phase = np.interp(music_s[inside], body_s, np.arange(len(body_s)))
    return float(abs(np.exp(2j * np.pi * phase).mean()))
