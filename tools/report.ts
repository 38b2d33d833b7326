interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

/** Prints `file:line rule message` for each finding and sets the exit code. */
export function report(tool: string, findings: readonly Finding[], passed: string): void {
  for (const { path, line, rule, message } of findings) console.log(`${path}:${line} ${rule} ${message}`);
  if (findings.length === 0) console.log(`${tool}: ${passed}`);
  else {
    console.log(`${tool}: ${findings.length} findings`);
    process.exitCode = 1;
  }
}
