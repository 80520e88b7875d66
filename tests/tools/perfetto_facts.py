#!/usr/bin/env python3
"""Facts of a timeline, by the schema and the trace processor of Perfetto's own Python package.

    perfetto_facts.py TRACE [--sql]

Prints JSON: tracks with their paths, slices and instants by name (all, and those that begin in the measured
phase), flows, and what is wrong. With --sql it asks the trace processor; where its binary cannot be had, it
says `no trace processor: REASON`.
"""

import collections
import gzip
import json
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


def read(path):
    with open(path, "rb") as file:
        head = file.read(2)
    opened = gzip.open if head == b"\x1f\x8b" else open
    trace = pb.Trace()
    with opened(path, "rb") as file:
        trace.ParseFromString(file.read())
    return trace


def unknown(message):
    """How many fields the schema does not have, here and below."""
    count = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            values = value if hasattr(value, "append") or hasattr(value, "add") else [value]
            count += sum(unknown(one) for one in values)
    return count


def facts(trace):
    wrong = collections.Counter()
    tracks, names, arg_names, words = {}, {}, {}, {}
    events = []
    for number, packet in enumerate(trace.packet):
        wrong["unknown fields"] += unknown(packet)
        wrong["names begin anew"] += number > 0 and packet.sequence_flags != 2
        for one in packet.interned_data.event_names:
            names[one.iid] = one.name
        for one in packet.interned_data.debug_annotation_names:
            arg_names[one.iid] = one.name
        for one in packet.interned_data.debug_annotation_string_values:
            words[one.iid] = one.str.decode()
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            wrong["track twice"] += track.uuid in tracks
            wrong["parent later"] += track.HasField("parent_uuid") and track.parent_uuid not in tracks
            tracks[track.uuid] = track
        elif packet.HasField("track_event"):
            event = packet.track_event
            wrong["track unknown"] += event.track_uuid not in tracks
            if event.HasField("name_iid"):
                wrong["name unknown"] += event.name_iid not in names
            for arg in event.debug_annotations:
                wrong["argument unknown"] += arg.name_iid not in arg_names
                if arg.HasField("string_value_iid"):
                    wrong["word unknown"] += arg.string_value_iid not in words
            events.append((packet.timestamp, number, event))

    def path(uuid):
        track = tracks[uuid]
        own = track.process.process_name if track.HasField("process") else track.name
        return (path(track.parent_uuid) if track.HasField("parent_uuid") else []) + [own]

    # As the trace processor does: by time, and in the order of the file at one time.
    events.sort(key=lambda event: event[:2])
    phase = next(uuid for uuid in tracks if path(uuid) == ["host", "phase"])
    measured, last = None, 0
    for at, _, event in events:
        last = max(last, at)
        if event.track_uuid == phase and event.type == BEGIN and names[event.name_iid] == "measure":
            measured = at

    open_since, spans = {}, collections.defaultdict(list)
    slices, instants, counters = collections.Counter(), collections.Counter(), collections.Counter()
    measured_instants, measured_slices = collections.Counter(), collections.Counter()
    flows = collections.defaultdict(list)
    for at, _, event in events:
        uuid = event.track_uuid
        if event.type == COUNTER:
            wrong["value of no counter"] += not tracks[uuid].HasField("counter")
            counters["/".join(path(uuid))] += 1
            continue
        if event.type == END:
            wrong["end without begin"] += uuid not in open_since
            since, name = open_since.pop(uuid, (at, "?"))
            spans[uuid].append((since, at))
            continue
        name = names[event.name_iid]
        if event.type == BEGIN:
            # Slices of a track follow one another.
            wrong["slices overlap"] += uuid in open_since
            open_since[uuid] = (at, name)
            slices[name] += 1
            measured_slices[name] += measured is not None and at >= measured
        else:
            instants[name] += 1
            measured_instants[name] += measured is not None and at >= measured
        for flow in list(event.flow_ids) + list(event.terminating_flow_ids):
            flows[flow].append((name, flow in event.terminating_flow_ids))
    wrong["slices without end"] += len(open_since)
    for own in spans.values():
        for (_, end), (begin, _) in zip(own, own[1:]):
            wrong["slices overlap"] += begin < end
    kinds = collections.Counter()
    for points in flows.values():
        # A flow that is through leads from the fault to the task that goes on.
        through = points[-1][1]
        kinds["through" if through else "under way"] += 1
        wrong["flow ends twice"] += sum(end for _, end in points) > 1
        if through:
            have = {name for name, _ in points}
            wrong["flow not connected"] += not {"not present", "page ready", "runnable"} <= have
            wrong["flow begins late"] += points[0][0] != "not present"
    return {
        "packets": len(trace.packet),
        "tracks": sorted("/".join(path(uuid)) for uuid in tracks),
        "slices": slices,
        "measured_slices": measured_slices,
        "instants": instants,
        "measured_instants": measured_instants,
        "counters": counters,
        "flows": kinds,
        "last_ns": last,
        "wrong": {what: int(count) for what, count in wrong.items() if count},
    }


def sql(path):
    from perfetto.trace_processor import TraceProcessor

    try:
        processor = TraceProcessor(trace=path)
    except Exception as error:  # Whatever keeps it from being downloaded or started.
        print(f"no trace processor: {type(error).__name__}: {error}")
        return
    with processor:
        ask = lambda query: [tuple(row.__dict__.values()) for row in processor.query(query)]
        print(json.dumps({
            "slices": dict(ask("select name, count(*) as n from slice where dur > 0 group by name")),
            "instants": dict(ask("select name, count(*) as n from slice where dur = 0 group by name")),
            "flows": ask("select count(*) as n from flow")[0][0],
            "errors": dict(ask("select name, value from stats where severity = 'error' and value > 0")),
        }))


if __name__ == "__main__":
    if "--sql" in sys.argv:
        sql(sys.argv[1])
    else:
        print(json.dumps(facts(read(sys.argv[1]))))
