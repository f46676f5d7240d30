"""Checks of what the fold tells beside the model: the segments' catalogue, and the alerts on drift."""
from findings import Finding

FOLLOWS = {None: {"raised"}, "raised": {"escalated", "cleared"}, "escalated": {"cleared"}, "cleared": set()}


def check_versions_told(world):
    """Whatever names a version of the model names one that was published."""
    models, _ = world.published
    if not world.models_whole:
        return
    for topic, records in (("segments", world.segments), ("drift-alerts", world.alerts)):
        for offset, key, value in records:
            if value is not None and value["model_version"] not in models:
                yield Finding("leaked", f"{topic} offset {offset}",
                              f"{key}: model version {value['model_version']} was never published")


def check_catalogue(world):
    """The catalogue says active of exactly the newest model's segments, and knows every segment of a change."""
    newest = {}
    for offset, key, value in world.segments:
        where = f"segments offset {offset}"
        if value is None:
            yield Finding("lost", where, f"{key} is not in the catalogue any more")
        elif key != value["segment_id"]:
            yield Finding("diverged", where, f"key {key}, segment {value['segment_id']}")
        newest[key] = value
    told = {change[end] for _, _, _, change in world.changes for end in ("from_segment", "to_segment")} - {None}
    told = {segment for segment in told if not segment.startswith("rule:")}  # the configuration's, not in the catalogue
    for segment in sorted(told - newest.keys()):
        yield Finding("lost", segment, "customers were told it, the catalogue never had it")
    models, _ = world.published
    if not models:
        return
    live = {f"s{cluster}" for cluster in models[max(models)].clusters}
    active = {key for key, value in newest.items() if value is not None and value["state"] == "active"}
    for segment in sorted(live - active):
        yield Finding("lost", segment, "is in the newest model, and not active in the catalogue")
    for segment in sorted(active - live):
        yield Finding("diverged", segment, "is active in the catalogue, and not in the newest model")


def check_alerts(world):
    """Each alert is raised, then escalated or not, then cleared or not, each once, on one subject."""
    alerts = {}     # id: (newest state, subject); of a log whose beginning has been deleted nobody knows the first
    for offset, key, alert in world.alerts:
        if alert is None:
            continue
        where, (before, subject) = f"drift-alerts offset {offset}", alerts.get(alert["alert_id"], (None, alert["subject"]))
        if key != alert["subject"] or subject != alert["subject"]:
            yield Finding("diverged", where, f"alert {alert['alert_id']}: key {key}, subject {alert['subject']}, was {subject}")
        if (before or world.alerts_whole) and alert["state"] not in FOLLOWS[before]:
            kind = "doubled" if before and alert["state"] in (before, "raised") else "lost" if before is None else "diverged"
            yield Finding(kind, where, f"alert {alert['alert_id']}: {alert['state']} after {before or 'nothing'}")
        alerts[alert["alert_id"]] = (alert["state"], alert["subject"])
