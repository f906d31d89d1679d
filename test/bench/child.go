//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// What is measured inside a process runs in a process of its own: its heap,
// collector and processor time are nobody else's. The child prints JSON.

// child runs a job of this program in another process, on a core if one is named.
func (b *bench) child(ctx context.Context, limit time.Duration, core string, result any, job ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	name, args := self, append([]string{"-job"}, job...)
	if core != "" {
		name, args = "taskset", append([]string{"-c", core, self}, args...)
	}
	_, out, err := run(ctx, limit, name, args...)
	if err != nil {
		return fmt.Errorf("job %s: %w", job[0], err)
	}
	return json.Unmarshal(out, result)
}

// runJob is the child's side. Arguments: job, zone, and what the job needs.
func runJob(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("a job needs a name and a zone")
	}
	z, err := zoneNamed(args[1])
	if err != nil {
		return err
	}
	var result any
	switch args[0] {
	case "raw":
		result, err = rawSignature(20)
	case "parse":
		result, err = parseJob(z, args[2:])
	case "sign":
		result, err = signJob(z, args[2:])
	case "load":
		result, err = loadJob(z, args[2:])
	default:
		err = fmt.Errorf("no job %q", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func zoneNamed(name string) (Zone, error) {
	for _, z := range []Zone{Medium, Large, Small} {
		if z.Name == name {
			return z, nil
		}
	}
	return Zone{}, fmt.Errorf("no zone %q: M, L or S", name)
}
