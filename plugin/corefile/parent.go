package corefile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/coredns/coredns/plugin/pkg/parse"

	"github.com/autosign-dns/autosign/plugin/policy"
)

const parentUsage = `"none", or "local", "agents ADDRESS...", "ds_ttl DURATION" and "propagation_delay DURATION" are expected`

// parentWords are the words of a parent that is asked.
var parentWords = []string{"local", "agents", "ds_ttl", "propagation_delay"}

// parent reads "none", or the words of a parent, each at most once, in any order.
func parent(o *Options, args []string) error {
	if len(args) == 0 {
		return errors.New(parentUsage)
	}
	if slices.Contains(args, "none") {
		if len(args) > 1 {
			return errors.New("none stands alone: where no parent is asked there is nothing to say about it")
		}
		o.Policy.NoParent = true
		return nil
	}
	p, seen := o.Policy, map[string]bool{}
	for len(args) > 0 {
		word := args[0]
		if !slices.Contains(parentWords, word) {
			return fmt.Errorf("%s, not %q", parentUsage, word)
		}
		if seen[word] {
			return fmt.Errorf("%s: given twice", word)
		}
		seen[word] = true
		n := slices.IndexFunc(args[1:], func(s string) bool { return slices.Contains(parentWords, s) }) + 1
		if n == 0 {
			n = len(args)
		}
		if err := parentWord(&p, word, args[1:n]); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		args = args[n:]
	}
	o.Policy = p
	return nil
}

// parentWord reads what follows one word.
func parentWord(p *policy.Policy, word string, args []string) error {
	switch word {
	case "local":
		if len(args) > 0 {
			return fmt.Errorf("%s, not %q", parentUsage, args[0])
		}
		p.ParentLocal = true
		return nil
	case "agents":
		return agents(p, args)
	}
	field := &p.DSTTL
	if word == "propagation_delay" {
		field = &p.ParentPropagation
	}
	return single(args, func(s string) (err error) { *field, err = policy.ParseDuration(s); return err })
}

// agents reads the addresses of the servers that are asked.
func agents(p *policy.Policy, args []string) error {
	if len(args) == 0 {
		return errors.New("an address is missing")
	}
	for _, arg := range args {
		agent, err := parse.HostPort(arg, "53")
		if err != nil {
			return fmt.Errorf("%q is not an address or ADDRESS:PORT", arg)
		}
		p.ParentAgents = append(p.ParentAgents, agent)
	}
	return nil
}
