// Runs one plan in the WebAssembly module: `node run.mjs MODULE SEED [SCENARIO.toml]` prints the trace hash, the number
// of events and of failures. A scenario is made smaller; without one the seed draws everything.
import { readFileSync } from 'node:fs';

const [module, seed, scenario] = process.argv.slice(2);
// No imports: whatever the module does, it cannot ask the host for the time, for chance or for a file.
const { exports: sim } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(module)), {});
const text = scenario ? readFileSync(scenario) : Buffer.alloc(0);
// The memory may move when room is made, so it is asked for afterwards.
const at = sim.room(text.length);
new Uint8Array(sim.memory.buffer, at, text.length).set(text);
function told() {
  const [from, length] = [sim.told(), sim.told_length()];
  return Buffer.from(sim.memory.buffer, from, length).toString();
}
try {
  sim.run(BigInt(seed), 1);
} catch (trap) {
  console.error(`the module stopped: ${trap.message}: ${told()}`);
  process.exit(2);
}
process.stdout.write(told());
