"""Latents of known truth: episodes in modes, chunks of an episode alike."""

import numpy as np

STEPS = 40


class World:
    """Six modes of different width in 8 dimensions; the last is never seen in pre-training.

    An episode stays in one mode, at a place of its own: half of its variance is between episodes, and its chunks
    follow each other with a correlation of 0.8.
    """

    def __init__(self, seed, dimension=8):
        self.random = np.random.default_rng(seed)
        self.mean = 4.0 * self.random.normal(size=(6, dimension))
        self.std = np.exp(self.random.uniform(-0.7, 0.7, 6))

    def episodes(self, count, modes):
        """Latents (count · 40, d) and the episode of each."""
        parts = []
        for mode in self.random.choice(modes, count):
            place, x = self.random.normal(size=(2, self.mean.shape[1]))
            for _ in range(STEPS):
                x = 0.8 * x + 0.6 * self.random.normal(size=len(x))
                parts.append(self.mean[mode] + self.std[mode] * (0.7 * place + 0.7 * x))
        return np.array(parts), np.repeat(np.arange(count), STEPS)

    def pretrained(self, count):
        """Episodes of the five modes of pre-training."""
        return self.episodes(count, range(5))

    def subset(self, count):
        """Episodes of two of them."""
        return self.episodes(count, [0, 1])

    def widest(self, count):
        """Episodes of the sparsest of them."""
        return self.episodes(count, [int(self.std[:5].argmax())])

    def planted(self, count, share):
        """Episodes of two modes that spend the last `share` of their time in the unseen one."""
        (points, group), (unseen, _) = self.subset(count), self.episodes(count, [5])
        late = np.tile(np.arange(STEPS) >= STEPS * (1 - share), count)
        return np.where(late[:, None], unseen, points), group

    def planted_episodes(self, count, share):
        """Episodes of two modes, but for a `share` of them, which are in the unseen one as a whole."""
        many = round(count * share)
        points, unseen = self.subset(count - many)[0], self.episodes(many, [5])[0]
        return np.concatenate([points, unseen]), np.repeat(np.arange(count), STEPS)
