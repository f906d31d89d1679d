package corefile

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/coredns/coredns/plugin/pkg/parse"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// properties are the words of a block, each with what reads its arguments.
var properties = map[string]func(o *Options, args []string) error{
	"keys":      one(func(o *Options, s string) error { o.Keys = s; return nil }),
	"new_keys":  parsed(policy.ParseNewKeys, func(p *policy.Policy) *policy.NewKeys { return &p.NewKeys }),
	"algorithm": parsed(policy.ParseAlgorithm, func(p *policy.Policy) *policy.Algorithm { return &p.Algorithm }),
	"scheme":    parsed(policy.ParseScheme, func(p *policy.Policy) *policy.Scheme { return &p.Scheme }),
	"ksk":       bits(func(p *policy.Policy) *int { return &p.KSKBits }),
	"zsk":       bits(func(p *policy.Policy) *int { return &p.ZSKBits }),
	"csk":       bits(func(p *policy.Policy) *int { return &p.CSKBits }),
	"automatic": parsed(onOff, func(p *policy.Policy) *bool { return &p.Automatic }),
	"signatures_validity": parsed(policy.ParseDuration,
		func(p *policy.Policy) *time.Duration { return &p.Validity }),
	"signatures_validity_dnskey": parsed(policy.ParseDuration,
		func(p *policy.Policy) *time.Duration { return &p.ValidityDNSKEY }),
	"signatures_refresh": parsed(policy.ParseDuration,
		func(p *policy.Policy) *time.Duration { return &p.Refresh }),
	"denial":      denial,
	"dnskey_ttl":  parsed(ttl, func(p *policy.Policy) *uint32 { return &p.DNSKEYTTL }),
	"serial":      parsed(policy.ParseSerialScheme, func(p *policy.Policy) *policy.SerialScheme { return &p.Serial }),
	"workers":     parsed(workers, func(p *policy.Policy) *int { return &p.Workers }),
	"verify":      parsed(policy.ParseVerifyMode, func(p *policy.Policy) *policy.VerifyMode { return &p.Verify }),
	"strict":      parsed(onOff, func(p *policy.Policy) *bool { return &p.Strict }),
	"allow":       allow,
	"parent":      parent,
	"mass_change": parsed(massChange, func(p *policy.Policy) *int { return &p.MassChange }),
}

// one makes the reader of a property with exactly one argument.
func one(set func(o *Options, s string) error) func(*Options, []string) error {
	return func(o *Options, args []string) error {
		switch {
		case len(args) == 0:
			return errors.New("a value is missing")
		case len(args) > 1:
			return fmt.Errorf("one value is expected, not %d: %q is too much", len(args), args[1])
		case args[0] == "":
			return errors.New("the value is empty")
		}
		return set(o, args[0])
	}
}

// parsed makes the reader of a property with one argument that goes through a
// parser into a field of the policy. A value that is refused changes nothing.
func parsed[T any](read func(string) (T, error), field func(*policy.Policy) *T) func(*Options, []string) error {
	return one(func(o *Options, s string) error {
		v, err := read(s)
		if err == nil {
			*field(&o.Policy) = v
		}
		return err
	})
}

// bits reads "bits N".
func bits(field func(*policy.Policy) *int) func(*Options, []string) error {
	return func(o *Options, args []string) error {
		if len(args) != 2 || args[0] != "bits" {
			return errors.New(`"bits N" is expected`)
		}
		n, err := number(args[1], 1, math.MaxUint16)
		if err == nil {
			*field(&o.Policy) = n
		}
		return err
	}
}

// denial reads "nsec" or "nsec3 [optout] [salt_length N] [iterations N]".
func denial(o *Options, args []string) error {
	if len(args) == 0 || (args[0] != "nsec" && args[0] != "nsec3") {
		return errors.New(`"nsec" or "nsec3" is expected`)
	}
	d := policy.Denial{NSEC3: args[0] == "nsec3"}
	for rest := args[1:]; len(rest) > 0; {
		word := rest[0]
		rest = rest[1:]
		if !d.NSEC3 {
			return fmt.Errorf("nsec takes no %q", word)
		}
		if word == "optout" {
			d.OptOut = true
			continue
		}
		limit := map[string]int{"salt_length": math.MaxUint8, "iterations": math.MaxUint16}[word]
		if limit == 0 {
			return fmt.Errorf(`nsec3 takes "optout", "salt_length N" and "iterations N", not %q`, word)
		}
		if len(rest) == 0 {
			return fmt.Errorf("%s: a number is missing", word)
		}
		n, err := number(rest[0], 0, limit)
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		if word == "iterations" {
			d.Iterations = uint16(n)
		} else {
			d.SaltLength = n
		}
		rest = rest[1:]
	}
	o.Policy.Denial = d
	return nil
}

// allow reads the names of plugins; whether they exist the caller can see.
func allow(o *Options, args []string) error {
	if len(args) == 0 {
		return errors.New("the name of a plugin is missing")
	}
	o.Policy.Allow = args
	return nil
}

// parent reads "none" or "agents ADDRESS...".
func parent(o *Options, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "none":
		o.Policy.NoParent = true
		return nil
	case len(args) > 1 && args[0] == "agents":
		var agents []string
		for _, arg := range args[1:] {
			agent, err := parse.HostPort(arg, "53")
			if err != nil {
				return fmt.Errorf("agents: %q is not an address or ADDRESS:PORT", arg)
			}
			agents = append(agents, agent)
		}
		o.Policy.ParentAgents = agents
		return nil
	}
	return errors.New(`"none" or "agents ADDRESS..." is expected`)
}

func onOff(s string) (bool, error) {
	if s != "on" && s != "off" {
		return false, fmt.Errorf("%q is not on or off", s)
	}
	return s == "on", nil
}

// ttl reads a TTL as a duration. The limit of the record format (RFC 2181
// section 8) is checked here, the sensible one by the policy.
func ttl(s string) (uint32, error) {
	d, err := policy.ParseDuration(s)
	if err != nil {
		return 0, err
	}
	if d/time.Second > math.MaxInt32 {
		return 0, fmt.Errorf("%s is more than the 2^31-1 seconds of a TTL", s)
	}
	return uint32(d / time.Second), nil
}

func workers(s string) (int, error) { return number(s, 1, 1024) }

// massChange reads a percentage or off.
func massChange(s string) (int, error) {
	if s == "off" {
		return 0, nil
	}
	return number(s, 1, 100)
}

func number(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a number from %d to %d", s, low, high)
	}
	return n, nil
}
