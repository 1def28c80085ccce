// Command clustersmith creates Redis Clusters on Mesos: the worker, the tools around it, and a
// development environment in one process. See clustersmith --help.
package main

import (
	"os"

	"github.com/clustersmith/clustersmith/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
