// Package nodesconf turns a plan into the files that redis-servers boot from, and judges
// what running servers say about themselves against that plan.
//
// Duties:
//   - Render every node's nodes.conf, so that a cluster boots already formed, and its
//     redis.conf, from typed options (Dialect, Renderer, ServerOptions).
//   - Parse nodes.conf and CLUSTER NODES as servers really print them (ParseLine).
//   - Compare one node's view of the cluster with the plan, streaming (Layout, Comparer).
//
// Laws:
//   - Pure: no network, files, clock or logging. Equal input gives equal bytes.
//   - A rendered set of files is the plan or an error: node IDs, addresses, epochs and slots are
//     checked before the first byte. Masters have unique config epochs 1 … M, because a server
//     settles equal ones by one bump and one fsync at a time; replicas have 0.
//   - Every rendered line ends with a newline: Valkey 9.1 ignores an unterminated one.
//   - No text of a user's reaches redis.conf unquoted, and no key that decides a node's identity,
//     addresses or files reaches it at all (Denied).
//   - Parsing and comparing never allocate per line, so a view of any size costs its own bytes only.
//
// What differs between servers is called a dialect and is in dialect.go alone.
package nodesconf
