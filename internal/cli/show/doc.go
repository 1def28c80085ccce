// Package show turns events, reports, records and plans into text for people: lines for logs, bars for
// terminals, tables for results.
//
// Duties: one function or type per kind of text, which writes to an io.Writer and asks nothing of
// the network or the clock.
//
// Laws:
//   - No control code ever reaches the writer, except from Bars and Board, which are for terminals
//     alone. Text that came over the wire is cleaned first (Clean).
//   - Equal input gives equal text; tables are sorted by their callers' order, never by a map's.
package show
