// Command autosignctl talks about zones that autosign signs. Its subcommand
// simulate shows what a policy will do, years ahead.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// command is a subcommand. Run gets what stands after its name, and returns
// the exit status with the error that is printed.
type command struct {
	name, summary string
	run           func(args []string, out, errs io.Writer) (status int, err error)
}

// Exit statuses.
const (
	statusFine  = 0
	statusFound = 1 // what was looked for and should not be there was found
	statusUsage = 2 // nothing was done
)

func commands() []command {
	return []command{
		{"simulate", "run a policy through years of made-up time", simulateCommand},
	}
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run finds the subcommand and runs it.
func run(args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		usage(errs)
		return statusUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(out)
		return statusFine
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		status, err := c.run(args[1:], out, errs)
		if errors.Is(err, flag.ErrHelp) {
			return statusFine
		}
		if err != nil {
			fmt.Fprintf(errs, "autosignctl %s: %v\n", c.name, err)
		}
		return status
	}
	fmt.Fprintf(errs, "autosignctl: %q is no subcommand\n", args[0])
	usage(errs)
	return statusUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: autosignctl SUBCOMMAND [FLAGS]\n\nSubcommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nautosignctl SUBCOMMAND -h tells the flags of a subcommand.\n")
}
