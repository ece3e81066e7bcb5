// Loaded into every process of the test run (node --import), outside of jest's realm: a warning of Node, such as a
// listener leak, fails the test under way, and every process that a test starts is marked for the roll-call at the end.
process.env.LASTCALL_TEST_RUN ??= String(process.pid);

process.on('warning', (warning) => {
  // ES modules under jest are an experiment of Node's that we know of.
  if (warning.name !== 'ExperimentalWarning') throw warning;
});
