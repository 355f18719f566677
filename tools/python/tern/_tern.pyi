"""The native module, which the package's other modules call: arrays come with the names of their types, results as JSON where they are no arrays."""
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._kept import Kept

def compile(
    path: str,
    text: Optional[str],
    args: List[str],
    files: List[str],
    data: Optional[str],
    fixed: Optional[str],
    ring: Optional[str],
    rounding: Optional[str],
    protocol: Optional[str],
    optimise: Optional[str],
) -> Program: ...
def read_tensors(path: str) -> Dict[str, Any]: ...
def is_part_of_weight(name: str) -> bool: ...
def with_weights(path: str, state: Dict[str, Tuple[Any, str]]) -> Dict[str, Any]: ...
def rows_wanted(text: str) -> List[Tuple[str, str]]: ...
def figure(title: str, curves: List[Tuple[str, Dict[str, List[float]]]]) -> str: ...

class Program:
    def about(self) -> str: ...
    def cost(self, network: Optional[str]) -> str: ...
    def cost_page(self, network: Optional[str]) -> Tuple[str, str]: ...
    def bytecode(self) -> bytes: ...
    def emulate(
        self,
        inputs: Dict[str, Any],
        data: Optional[str],
        out: Optional[str],
        seed: Optional[int],
        threads: Optional[int],
        watch_all: bool,
        kept: Optional[Kept],
        listener: Optional[Callable[[str], None]],
    ) -> Tuple[Dict[str, Any], str]: ...

def run(
    program: Program,
    inputs: Dict[str, Any],
    data: Optional[str],
    out: str,
    seed: Optional[int],
    threads: Optional[int],
    network: Optional[str],
    dealt: Optional[str],
    kept: Optional[Kept],
    command: List[str],
    listener: Optional[Callable[[str], None]],
) -> str: ...
def take_part() -> bool: ...
def party(
    program: Program,
    party: int,
    hosts: str,
    key: Optional[str],
    inputs: Dict[str, Any],
    data: Optional[str],
    store: Optional[str],
    wait_for_clients: str,
    out: Optional[str],
    seed: Optional[int],
    threads: Optional[int],
    timeout: Optional[int],
    dealt: Optional[str],
    wait: Optional[str],
    kept: Optional[Kept],
    listener: Optional[Callable[[str], None]],
) -> Tuple[Dict[str, Any], str]: ...
def serve(
    program: Program,
    party: int,
    hosts: str,
    key: Optional[str],
    store: str,
    timeout: Optional[int],
    listener: Optional[Callable[[str], None]],
) -> None: ...
def share(program: Program, inputs: Dict[str, Any], out: str, listener: Optional[Callable[[str], None]]) -> List[Any]: ...
def open(files: List[str]) -> Tuple[str, Dict[str, Any]]: ...
def send(
    program: Program,
    client: str,
    hosts: str,
    key: Optional[str],
    wait: str,
    inputs: Dict[str, Any],
    replace: bool,
    listener: Optional[Callable[[str], None]],
) -> List[Tuple[str, int]]: ...
def receive(program: Program, client: str, hosts: str, key: Optional[str], wait: str, name: str) -> Dict[str, Any]: ...
