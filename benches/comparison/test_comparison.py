"""Tests of the comparison itself: `python3 -m unittest discover -s benches/comparison`."""

import sys
import tempfile
import unittest
from pathlib import Path

import chart
import data
import measure
import report
import rows
import turns

RTT = 0.05


def client(name, ours, **figures):
    return {"name": name, "ours": ours, "how": "", "connections": 1, "runs": [{}], **figures}


def results(*entries, measures=("wall",)):
    row = {"id": "row", "title": "a row", "kind": "download", "measures": list(measures), "entries": list(entries)}
    return {"rows": [row], "skipped": {}}


class RoundTrips(unittest.TestCase):
    def test_what_goes_out_together_is_one(self):
        files = []
        for file in range(4):
            begin = file * 3 * RTT
            files += [(begin, "control", "command")]
            files += [(begin + RTT, "data", "syn"), (begin + RTT + 0.001, "control", "command")]
            files += [(begin + 2 * RTT + 0.002, "control", "command")]
        self.assertEqual(turns.round_trips(files, RTT), 3)

    def test_commands_that_wait_for_the_connection_cost_one_more(self):
        files = []
        for file in range(4):
            begin = file * 4 * RTT
            files += [(begin, "control", "command"), (begin + RTT, "data", "syn")]
            files += [(begin + 2 * RTT, "control", "command"), (begin + 3 * RTT, "control", "command")]
        self.assertEqual(turns.round_trips(files, RTT), 4)

    def test_one_file_tells_nothing(self):
        self.assertIsNone(turns.round_trips([(0, "data", "syn")], RTT))


class Runs(unittest.TestCase):
    def test_time_memory_and_end_are_those_of_the_command(self):
        with tempfile.TemporaryDirectory() as home:
            work = "import sys; b = bytearray(90 << 20); b[::4096] = b'x' * len(b[::4096]); print('said'); sys.exit(3)"
            run = measure.run([sys.executable, "-c", work], Path(home), 60)
        self.assertEqual((run.code, run.cut, run.output.strip()), (3, False, "said"))
        self.assertGreater(run.memory, 90 << 20)
        self.assertGreater(run.cpu, 0)

    def test_a_command_is_ended_at_its_limit(self):
        with tempfile.TemporaryDirectory() as home:
            run = measure.run(["sh", "-c", "sleep 600 & wait"], Path(home), 0.2)
        self.assertTrue(run.cut)
        self.assertFalse(run.good())

    def test_a_wrong_byte_a_missing_and_a_foreign_file_are_told(self):
        with tempfile.TemporaryDirectory() as place:
            source, target = Path(place, "source"), Path(place, "target")
            for folder in (source, target / "below"):
                folder.mkdir(parents=True)
                (folder / "a").write_bytes(b"right")
            self.assertEqual(measure.fault(source, target, ["a"]), "")
            (target / "b").write_bytes(b"")
            self.assertIn("too many", measure.fault(source, target, ["a"]))
            self.assertIn("missing", measure.fault(source, target, ["a", "c"]))
            (target / "b").unlink()
            (target / "below/a").write_bytes(b"wrong")
            self.assertIn("differs", measure.fault(source, target, ["a"]))


class Reports(unittest.TestCase):
    def test_each_measure_is_divided_by_its_own_best_peer(self):
        ours = client("ftpq", True, wall=1.0, cpu=1.0)
        slow, fast = client("slow", False, wall=4.0, cpu=2.0), client("fast", False, wall=2.0, cpu=5.0)
        row = results(ours, slow, fast, measures=("wall", "cpu"))["rows"][0]
        _, own, divided, best, others = report.cells(row)
        self.assertEqual((own, divided), ([("", "1.00 / 1.00")], ["0.50 / 0.50"]))
        self.assertEqual((best, others), ("fast 2.00 / 5.00, slow 2.00 CPU s", "slow 4.00 / 2.00"))

    def test_connections_stand_beside_the_time_where_ftpq_chose_them(self):
        chosen = client("ftpq", True, wall=1.0) | {"connections": 12}
        given = client("ftpq, 8 connections", True, wall=2.0) | {"connections": 8}
        _, own, *_ = report.cells(results(chosen, given)["rows"][0])
        self.assertEqual(own, [("", "1.00 (12 connections)"), ("8 connections", "2.00")])

    def test_what_was_ended_has_no_ratio_and_comes_last(self):
        cut = client("cut", False, wall=None, over=28.4)
        row = results(client("ftpq", True, wall=None, over=60), cut, client("there", False, wall=9.0))["rows"][0]
        _, own, divided, best, others = report.cells(row)
        self.assertEqual((own, divided, best, others), ([("", "> 60")], ["-"], "there 9.00", "cut > 28"))

    def test_only_what_stands_between_the_marks_is_rewritten(self):
        readme = f"head {report.BEGIN} old {report.END} tail"
        self.assertEqual(report.rewritten(readme, "new"), f"head {report.BEGIN}\nnew\n{report.END} tail")
        with self.assertRaises(SystemExit):
            report.rewritten("no marks", "new")

    def test_the_chart_names_every_client_with_its_figure(self):
        drawn = chart.draw(results(client("ftpq", True, wall=1.5), client("a & b", False, wall=3.25)))
        for text in (">ftpq<", ">1.50<", ">a &amp; b<", ">3.25<", "prefers-color-scheme: dark"):
            self.assertIn(text, drawn)


class Data(unittest.TestCase):
    def test_the_mixed_files_are_400_and_261_mib(self):
        sizes = data.sizes_of("mixed")
        self.assertEqual((len(sizes), sum(sizes.values())), (400, 261 << 20))
        self.assertGreater(min(sizes.values()), 0)

    def test_every_row_has_files_and_a_name_of_its_own(self):
        self.assertEqual(len({row.id for row in rows.ROWS}), len(rows.ROWS))
        for row in rows.ROWS:
            self.assertTrue(row.kind == "million" or data.sizes_of(row.files))


if __name__ == "__main__":
    unittest.main()
