package corefile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// reader reads the arguments of a property.
type reader = func(o *Options, args []string) error

// properties are the words of a block, each with what reads its arguments.
var properties = map[string]reader{
	"keys":     one(func(o *Options, s string) error { o.Keys = s; return nil }),
	"new_keys": parsed(policy.ParseNewKeys, func(p *policy.Policy) *policy.NewKeys { return &p.NewKeys }),
	"algorithm": given(parsed(policy.ParseAlgorithm, func(p *policy.Policy) *policy.Algorithm { return &p.Algorithm }),
		func(p *policy.Policy) *bool { return &p.AlgorithmGiven }),
	"scheme": given(parsed(policy.ParseScheme, func(p *policy.Policy) *policy.Scheme { return &p.Scheme }),
		func(p *policy.Policy) *bool { return &p.SchemeGiven }),
	"ksk":       role(policy.KSK),
	"zsk":       role(policy.ZSK),
	"csk":       role(policy.CSK),
	"insecure":  parsed(onOff, func(p *policy.Policy) *bool { return &p.Insecure }),
	"automatic": parsed(onOff, func(p *policy.Policy) *bool { return &p.Automatic }),

	"signatures_validity":        duration(func(p *policy.Policy) *time.Duration { return &p.Validity }),
	"signatures_validity_dnskey": duration(func(p *policy.Policy) *time.Duration { return &p.ValidityDNSKEY }),
	"signatures_refresh":         duration(func(p *policy.Policy) *time.Duration { return &p.Refresh }),
	"denial":                     denial,
	"dnskey_ttl":                 parsed(ttl, func(p *policy.Policy) *uint32 { return &p.DNSKEYTTL }),

	"publish_safety":         duration(func(p *policy.Policy) *time.Duration { return &p.PublishSafety }),
	"retire_safety":          duration(func(p *policy.Policy) *time.Duration { return &p.RetireSafety }),
	"purge_keys":             parsed(purge, func(p *policy.Policy) *time.Duration { return &p.PurgeKeys }),
	"zone_propagation_delay": duration(func(p *policy.Policy) *time.Duration { return &p.ZonePropagation }),
	"parent":                 parent,
	"cds":                    parsed(onOff, func(p *policy.Policy) *bool { return &p.CDS }),

	"serial":      parsed(policy.ParseSerialScheme, func(p *policy.Policy) *policy.SerialScheme { return &p.Serial }),
	"workers":     parsed(workers, func(p *policy.Policy) *int { return &p.Workers }),
	"verify":      parsed(policy.ParseVerifyMode, func(p *policy.Policy) *policy.VerifyMode { return &p.Verify }),
	"strict":      parsed(onOff, func(p *policy.Policy) *bool { return &p.Strict }),
	"allow":       allow,
	"mass_change": parsed(massChange, func(p *policy.Policy) *int { return &p.MassChange }),
}

// one makes the reader of a property with exactly one argument.
func one(set func(o *Options, s string) error) reader {
	return func(o *Options, args []string) error {
		return single(args, func(s string) error { return set(o, s) })
	}
}

// single reads exactly one argument.
func single(args []string, read func(string) error) error {
	switch {
	case len(args) == 0:
		return errors.New("a value is missing")
	case len(args) > 1:
		return fmt.Errorf("one value is expected, not %d: %q is too much", len(args), args[1])
	case args[0] == "":
		return errors.New("the value is empty")
	}
	return read(args[0])
}

// duration makes the reader of a duration.
func duration(field func(*policy.Policy) *time.Duration) reader {
	return parsed(policy.ParseDuration, field)
}

// parsed makes the reader of a property with one argument that goes through a
// parser into a field of the policy. A value that is refused changes nothing.
func parsed[T any](read func(string) (T, error), field func(*policy.Policy) *T) reader {
	return one(func(o *Options, s string) error {
		v, err := read(s)
		if err == nil {
			*field(&o.Policy) = v
		}
		return err
	})
}

// given makes a reader note that its property was written.
func given(read reader, field func(*policy.Policy) *bool) reader {
	return func(o *Options, args []string) error {
		err := read(o, args)
		if err == nil {
			*field(&o.Policy) = true
		}
		return err
	}
}

// role reads "lifetime unlimited|DURATION", "bits N", or both in any order.
func role(r policy.Role) reader {
	return func(o *Options, args []string) error {
		life, bits := o.Policy.OfRole(r)
		l, b := *life, *bits
		err := words(args, map[string]func(string) error{
			"lifetime": func(s string) (err error) { l, err = lifetime(s); return err },
			"bits":     func(s string) (err error) { b, err = number(s, 1, math.MaxUint16); return err },
		}, `"lifetime unlimited|DURATION", "bits N" or both are expected`)
		if err == nil {
			*life, *bits = l, b
		}
		return err
	}
}

// words reads pairs of a word and its value, each word at most once and at least
// one of them; usage says what is expected.
func words(args []string, read map[string]func(string) error, usage string) error {
	seen := map[string]bool{}
	for pair := range slices.Chunk(args, 2) {
		word := pair[0]
		switch {
		case read[word] == nil:
			return fmt.Errorf("%s, not %q", usage, word)
		case seen[word]:
			return fmt.Errorf("%s: given twice", word)
		case len(pair) == 1:
			return fmt.Errorf("%s: a value is missing", word)
		}
		seen[word] = true
		if err := read[word](pair[1]); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	if len(seen) == 0 {
		return errors.New(usage)
	}
	return nil
}

// lifetime reads "unlimited", which is 0, or a duration, which is not.
func lifetime(s string) (time.Duration, error) {
	if s == "unlimited" {
		return 0, nil
	}
	d, err := policy.ParseDuration(s)
	if err == nil && d == 0 {
		return 0, errors.New(`0s is no lifetime; for keys that are rolled when asked write "unlimited"`)
	}
	return d, err
}

// purge reads "never", which is 0 as it is in BIND, or a duration.
func purge(s string) (time.Duration, error) {
	if s == "never" {
		return 0, nil
	}
	return policy.ParseDuration(s)
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
