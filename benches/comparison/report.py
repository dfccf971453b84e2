"""What was measured, as lines for a terminal, as Markdown for the README, and as JSON."""

import json
import textwrap

MIB = 1 << 20
BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"
UNITS = {"wall": "s", "cpu": "CPU s", "turns": ""}


def number(value):
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def size(value):
    return f"{value / MIB:.0f} MiB" if value < 1024 * MIB else f"{value / MIB / 1024:.1f} GiB"


def label(entry):
    """What tells this way of running ftpq from its defaults."""
    return entry["name"].partition(", ")[2] if entry["ours"] else entry["name"]


def standing(entry, measures):
    """A client's figures, or why it has none."""
    if entry.get(measures[0]) is not None:
        return " / ".join(number(entry[name]) for name in measures)
    if "over" in entry:
        return f"> {entry['over']:.0f}"
    return "failed" if entry["runs"] else "-"


def beside(entry):
    """How many connections ftpq chose to open, where that was its own choice."""
    return (
        f" ({entry['connections']} connections)" if entry["connections"] > 1 and "8 conn" not in entry["name"] else ""
    )


def best_of(row, measure):
    there = [e for e in row["entries"] if not e["ours"] and e.get(measure) is not None]
    return min(there, key=lambda e: e[measure], default=None)


def ratios(row, entry):
    """ftpq's figures divided by the best peer's, each measure by its own best; None where there is nothing to divide."""
    found = []
    for measure in row["measures"]:
        best = best_of(row, measure)
        if best is not None and entry.get(measure) is not None:
            found.append(entry[measure] / best[measure])
    return found or None


def order(entry, measures):
    value = entry.get(measures[0])
    return value if value is not None else entry.get("over", 1e9) + 1e6


def cells(row):
    """Title, what ftpq did (pairs of label and text), its ratios, the best peer, and the other peers."""
    if row["kind"] == "million":
        return million(row)
    measures = row["measures"]
    if row["kind"] == "checked":
        return checked(row)
    ours = [e for e in row["entries"] if e["ours"]]
    theirs = sorted((e for e in row["entries"] if not e["ours"]), key=lambda e: order(e, measures))
    best = theirs[0] if theirs and theirs[0].get(measures[0]) is not None else None
    text = f"{best['name']} {standing(best, measures)}" if best else "-"
    for measure in measures[1:]:
        other = best_of(row, measure)
        if other is not None and other is not best:
            text += f", {other['name']} {number(other[measure])} {UNITS[measure]}"
    divided = []
    for entry in ours:
        found = ratios(row, entry)
        divided.append(" / ".join(f"{value:.2f}" for value in found) if found else "-")
    others = [f"{e['name']} {standing(e, measures)}" for e in theirs if e is not best]
    return row["title"], [(label(e), standing(e, measures) + beside(e)) for e in ours], divided, text, ", ".join(others)


def checked(row):
    entries = {entry["name"]: entry for entry in row["entries"]}
    alone = [entries["hashing alone"], entries["downloading alone"]]
    text = "ftpq alone: " + ", ".join(f"{e['name'].split()[0]} {standing(e, ['wall'])}" for e in alone)
    known = [e["wall"] for e in alone if e["wall"] is not None]
    ours = entries["ftpq"]
    ratio = f"{ours['wall'] / max(known):.2f}" if known and ours["wall"] is not None else "-"
    return row["title"], [("", standing(ours, ["wall"]))], [ratio], text, ""


def million(row):
    entries = {entry["name"]: entry for entry in row["entries"]}
    runs = [run for run in entries["ftpq"]["runs"] if "wrong" not in run]
    if not runs:
        ours = "failed"
    else:
        middle = {name: median([run[name] for run in runs]) for name in runs[0]}
        first = f"{middle['first_command']:.2f} s" if middle["first_command"] is not None else "none"
        ours = (
            f"added in {number(middle['add'])} s with {size(middle['add_memory'])}; {size(middle['disk'])} on disk; "
            f"first command after {first}; status in {middle['status']:.2f} s"
        )
    text = "-"
    if "aria2" in entries:
        (run,) = entries["aria2"]["runs"]
        at = (
            f"first command after {number(run['first_command'])} s"
            if run["first_command"]
            else f"no command in {run['limit']} s"
        )
        text = f"aria2, {run['lines']:,} lines: {size(run['run_memory'])}, {at}"
    return row["title"], [("", ours)], ["-"], text, ""


def median(values):
    there = sorted(value for value in values if value is not None)
    return there[len(there) // 2] if there else None


def terminal(results):
    """The table as plain lines."""
    lines = []
    for row in results["rows"]:
        title, ours, divided, best, others = cells(row)
        unit = " / ".join(UNITS[name] for name in row["measures"]) if row["kind"] != "million" else ""
        lines.append(f"{title}{f' [{unit}]' if unit.strip() else ''}")
        for (name, text), ratio in zip(ours, divided):
            client = f"ftpq, {name}" if name else "ftpq"
            lines.append(f"    {client:24} {text:>24}" + (f"   ratio {ratio}" if ratio != "-" else ""))
        if best != "-":
            lines.append(f"    {'best peer':24} {best}")
        lines += (
            textwrap.wrap(others, 100, initial_indent=f"    {'others':24} ", subsequent_indent=" " * 29)
            if others
            else []
        )
    return "\n".join(lines + [f"{row}: skipped, {why}" for row, why in results["skipped"].items()])


def markdown(results, chart):
    """What stands in the README between the two marks."""
    lines = [f"![Seconds of ftpq and its peers, side by side]({chart})", ""]
    lines += ["| Work | ftpq | Best peer | Ratio | Other peers |", "|---|---|---|---|---|"]
    for row in results["rows"]:
        title, ours, divided, best, others = cells(row)
        own = "<br>".join(f"{name}: {text}" if name else text for name, text in ours)
        unit = ", wall / CPU" if row["measures"] == ["wall", "cpu"] else ""
        lines.append(f"| {title}{unit} | {own} | {best} | {'<br>'.join(divided)} | {others} |")
    if results["skipped"]:
        lines += ["", "Not measured: " + "; ".join(f"{row} ({why})" for row, why in results["skipped"].items()) + "."]
    return "\n".join([*lines, "", *notes(results)])


def notes(results):
    """How the figures came about, and what they do not say."""
    machine, versions = results["machine"], results["versions"]
    path = {"netem": "netem", "line": "an emulator of our own, `benches/path`"}.get(results["path"], "-")
    peers = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in ("ftpq", "servers"))
    measured = (
        f"Seconds; medians of {results['runs']} runs, clients in turn, each into a new folder; what was fetched is compared "
        "with what was served. The ratio is ftpq's figure divided by the best peer's: below 1, ftpq is quicker. `> 28` was "
        "ended after 28 seconds; peers clearly behind the best one were run once or twice only. CPU is the "
        "client's, user and system."
    )
    compared = (
        "ftpq syncs every file, its folder and its queue to the disk before a file counts as done. aria2 syncs its control "
        "files, the other peers nothing. `durability none` leaves the syncing out. ftpq chooses how many connections to "
        "open to a host; most at a time stand beside its time, and where `8 connections` stands it was given as many as "
        "the peers. The peers have 8 (one for a single file on loopback), wget and ncftp always one. The delayed path applies to control and data connections "
        "alike; TCP is as the kernel's defaults have it (CUBIC)."
    )
    made = (
        f"{results['date']}, ftpq {versions['ftpq']}, {peers}; {versions['servers']}; {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory']}, Linux {machine['kernel']}, {machine['disk']}; delayed path: {path}. "
        "`benches/compare --readme` measures again and writes this section."
    )
    filled = (
        textwrap.fill(part, 140, break_on_hyphens=False, break_long_words=False) for part in (measured, compared, made)
    )
    return "\n\n".join(filled).splitlines()


def rewritten(readme, section):
    """The README with another section between its marks."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"the README has no {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{section}\n{END}{tail}"


def stored(results):
    return json.dumps(results, indent=1) + "\n"
