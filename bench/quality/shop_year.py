"""A shop's stream through `segmentd replay`, and all that the tables and tests ask of it."""
import numpy

import shops
from measure import DAY_MS, SETTLED_DAYS, YOUNG_DAYS, Changes, checkpoints, refits
from replay_run import replay

CHECKPOINT_DAYS = 30


def run(work, shop, k, **segmenter):
    """The folder that replay wrote, and its summary."""
    name = f"{shop.name}-k{k}" + "".join(f"-{key}-{value}" for key, value in segmenter.items())
    config = shop.config(work, name=name, k=k, **segmenter)
    return work / name, replay(config, [shop.path], work / name, "--checkpoint-days", CHECKPOINT_DAYS)


def ratios(shop, output, model_space=False):
    """{late, early, all}: worst ratio from 60 days after the first fit on and before, and [(days, ratio)] of all checkpoints."""
    all_ = []
    for moment in checkpoints(output):
        if not model_space and not all_:
            shops.check_rfm(shop, moment)
        all_.append((moment.days_since_first_fit, moment.ratio(model_space)))
    return {"late": max(r for days, r in all_ if days >= YOUNG_DAYS),
            "early": max([r for days, r in all_ if days < YOUNG_DAYS], default=float("nan")), "all": all_}


def settled_from(shop):
    return shop.first_ms // DAY_MS * DAY_MS + SETTLED_DAYS * DAY_MS


def identity(shop, output):
    """Of the attempts to refit from day 90 on: how many, promoted, mean, share below .95, least; mean and least of the promoted."""
    values, promoted = [], []
    for refit in refits(output):
        if refit.time_ms < settled_from(shop):
            continue
        values.append(refit.identity(shop.rfm(refit.time_ms)) if refit.promoted else 1.)
        if refit.promoted:
            promoted.append(values[-1])
    values = numpy.array(values)
    return {"attempts": len(values), "held": len(values) - len(promoted), "mean": values.mean(), "below": (values < .95).mean(),
            "least": values.min(), "promoted": promoted}


def promotions(output):
    return sum(refit.promoted for refit in refits(output))


def reused_ids(output):
    """Segment ids that came back after a promotion without them."""
    seen, gone, reused = set(), set(), set()
    for refit in refits(output):
        if refit.promoted:
            now = {c["segment_id"] for c in refit.model["centroids"]}
            reused |= now & gone
            gone |= seen - now
            seen |= now
    return reused


def moves(shop, output):
    """Flapping by window of 7 days from day 90 on, moves with reason `model` a customer and year, assigned over nearest."""
    changes = Changes(output)
    moments = [m for m in checkpoints(output) if m.time_ms >= settled_from(shop)]
    last_ms = max(c["decided_at"] for chain in changes.chains.values() for c in chain)
    flaps = changes.flapping(settled_from(shop), last_ms)
    return {"mean": flaps.mean(), "most": flaps.max(), "windows": len(flaps),
            "by_model": changes.by_model_a_year(settled_from(shop), last_ms),
            "assigned": numpy.mean([m.assigned_over_nearest() for m in moments])}
