// Package cli is the command line: it turns arguments into requests, events into text and errors into
// an exit status. The work itself is done by the packages that the commands call.
//
// Laws:
//   - The exit status is 0 when it is done, 1 when the job failed (or the plan is infeasible), 2 for
//     wrong usage or bad input, 3 when a server could not be reached (or, in dev and worker, be started)
//     or a job had not ended when the wait for it was over, and 130 when the user interrupted.
//   - Results go to the standard output; progress, hints and errors to the standard error, so
//     that a pipe gets results only. watch is all result.
//   - With -o json the standard output holds JSON and nothing else: one document, or one per line for
//     watch and dead replay. An error is a JSON object on the standard error.
//   - Where the output is no terminal it holds no control code.
//   - Every error says what to do next.
package cli
