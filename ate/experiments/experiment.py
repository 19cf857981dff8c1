"""An experiment: what all methods and seeds of a comparison share."""

from dataclasses import dataclass

from ate.data.loading import DataSet


@dataclass(frozen=True)
class Experiment:
    """What all methods and seeds of a comparison share.

    Attributes:
        policy: checkpoint of the pre-trained policy.
        alignment: folder of the alignment; its stage 1 is kept, stage 2 is trained again on each draw.
        adapt: the adaptation robot's episodes.
        variants: name and folder of other alignments, for methods that name them.
        pretrain: the pre-training robots' episodes, for methods that replay them; None for none.
        tool_policy: checkpoint of the policy pre-trained in tool space, for methods in it; empty for none.
        normalizer: what the joints' normaliser of all methods is fitted to: `"demonstrations"`, or `"retargeted"`,
            demonstrations and retargeted episodes.
        held_out: share of the episodes kept for the open-loop error, never drawn.
        demonstrations: episodes drawn for each training seed, all where there are fewer. With 0 of them a method that
            replays retargeted episodes is trained on those alone, and any other is its policy as it was pre-trained.
        steps: fine-tuning steps.
        batch: samples a step.
        learning_rate: of AdamW.
        lr_schedule: of the learning rate, `"constant"`, or `"cosine"` to zero.
        rollouts: fixed rollout seeds first_rollout … first_rollout + rollouts − 1.
        first_rollout: other start situations than a search had, for seeds that are held out from it.
        execute: actions carried out of each chunk.
        task: to roll out, or the address of a gymnasium environment (`ate.sim.gym_address`); empty for that of the
            demonstrations. Another one asks what the other robots' episodes teach.
        seed: of the split into drawn and held-out episodes.
    """

    policy: str
    alignment: str
    adapt: DataSet
    variants: tuple[tuple[str, str], ...] = ()
    pretrain: DataSet | None = None
    tool_policy: str = ""
    normalizer: str = "demonstrations"
    held_out: float = 0.1
    demonstrations: int = 25
    steps: int = 80
    batch: int = 64
    learning_rate: float = 3e-4
    lr_schedule: str = "constant"
    rollouts: int = 100
    first_rollout: int = 0
    execute: int = 8
    task: str = ""
    seed: int = 0
