"""The notebook of the documentation runs, shows what it says, and is kept without what it showed somewhere."""

import os
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def notebook():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    made = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(made)
    return made


def test_it_is_kept_without_outputs(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert not [cell for cell in code if cell.outputs or cell.execution_count is not None]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_cell_runs_and_shows_something(notebook, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    # The kernel imports what these tests import.
    kernel = {"env": {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(**kernel)
    shown = [
        [key for output in cell.outputs for key in output.get("data", {output.output_type: None})]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    assert shown[0] == []
    assert "text/html" in shown[1]
    assert "application/vnd.plotly.v1+json" in shown[2]
    assert "text/html" in shown[3]
    assert all(shown[1:])
    assert (tmp_path / "sheet.html").stat().st_size > 1_000_000
    first = next(output for cell in notebook.cells if cell.source == "result" for output in cell.outputs)
    assert "iframe" in first["data"]["text/html"]
