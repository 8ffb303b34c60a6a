"""Docstrings of compiled modules for the API reference: stubs have the types, the compiled module has the words."""

import importlib
import inspect
import re
from typing import Any

import griffe


class CompiledDocstrings(griffe.Extension):
    """Gives what was read from a .pyi the docstrings that the compiled module has."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Fill every stub of a package."""
        for module in _modules(pkg):
            if str(module.filepath).endswith(".pyi"):
                _fill(module, importlib.import_module(module.path), loader)


def _modules(module: griffe.Module) -> list[griffe.Module]:
    inside = [each for each in module.modules.values() if not each.is_alias]
    return [module, *(found for each in inside for found in _modules(each))]


def _fill(stub: griffe.Module | griffe.Class, live: Any, loader: griffe.GriffeLoader) -> None:
    for name, member in stub.members.items():
        found = vars(live).get(name)
        if member.is_alias or member.is_module or found is None:
            continue
        text = without_signature(inspect.getdoc(found) or "", name)
        if text and (callable(found) or inspect.isdatadescriptor(found)):  # of a constant it would be its type's
            member.docstring = griffe.Docstring(
                text, parent=member, parser=loader.docstring_parser, parser_options=loader.docstring_options
            )
        if member.is_class:
            _fill(member, found, loader)


def without_signature(text: str, name: str) -> str:
    """Return a docstring without the signature that Cython puts in front of it."""
    return re.sub(rf"^(?:\w+\.)?{re.escape(name)}(?:\(.*\)|: \S+)(?: -> .*)?\n*", "", text)
