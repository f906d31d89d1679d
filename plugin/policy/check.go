package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is one rule that a policy breaks, or one piece of advice it does not
// follow.
type Fault struct {
	Property string   // the Corefile's word for the value to change
	Against  []string // the words for the values it is held against
	Text     string   // the rule with its numbers
}

// Error returns the rule with its numbers.
func (f *Fault) Error() string { return f.Text }

const (
	maxSalt           = 255 // octets; RFC 5155 section 3.1.4
	refusedIterations = 51  // since CVE-2023-50868 BIND and Knot Resolver take more than 50 as insecure
	maxWorkers        = 1024
)

// Check returns what is wrong with the policy by itself, and what is unwise.
// Every element is a *Fault.
func (p Policy) Check() (faults, warnings []error) {
	var f, w findings
	p.checkKeys(&f)
	p.checkParent(&f)
	p.checkTimes(&f, &w)
	p.checkDenial(&f, &w)
	if p.Workers < 0 || p.Workers > maxWorkers {
		f.add("workers", nil, "workers %d: 1 to %d are possible, 0 is the default", p.Workers, maxWorkers)
	}
	if p.MassChange < 0 || p.MassChange > 100 {
		f.add("mass_change", nil, "mass_change %d: a percentage is 0 to 100", p.MassChange)
	}
	return f, w
}

type findings []error

// add takes in a finding about a property, whose value is held against those of
// others.
func (f *findings) add(property string, against []string, format string, args ...any) {
	*f = append(*f, &Fault{Property: property, Against: against, Text: fmt.Sprintf(format, args...)})
}

// checkKeys looks at the algorithm, and at the lengths and lifetimes of the roles
// that the scheme has; a length of 0 stands for the algorithm's default.
func (p Policy) checkKeys(f *findings) {
	algorithm := p.Algorithm.Check()
	if algorithm != nil {
		f.add("algorithm", nil, "%v", algorithm)
	}
	for _, role := range []Role{KSK, ZSK, CSK} {
		property, bits, life := strings.ToLower(role.String()), p.Bits(role), p.Lifetime(role)
		used := slices.Contains(p.Roles(), role)
		if err := p.Algorithm.CheckBits(bits); algorithm == nil && bits != 0 && err != nil {
			f.add(property, []string{"algorithm"}, "%s %v", property, err)
		} else if bits != 0 && !used {
			f.add(property, []string{"scheme"}, "%s bits %d: scheme %s has no %[1]s", property, bits, p.Scheme)
		}
		switch {
		case life != Default().Lifetime(role) && !used:
			f.add(property, []string{"scheme"}, "%s lifetime %s: scheme %s has no %[1]s", property, FormatDuration(life), p.Scheme)
		case life != 0 && (life < time.Second || life > maxDuration):
			f.add(property, nil, "%s lifetime %s is not between 1s and %s; unlimited is possible",
				property, FormatDuration(life), FormatDuration(maxDuration))
		}
	}
}

func (p Policy) checkParent(f *findings) {
	if p.NoParent && len(p.ParentAgents) > 0 {
		f.add("parent", nil, "parent none and parent agents exclude each other")
	}
	if p.NoParent && p.ParentLocal {
		f.add("parent", nil, "parent none and parent local exclude each other")
	}
}

func (p Policy) checkDenial(f, w *findings) {
	d := p.Denial
	if !d.NSEC3 {
		if d != (Denial{}) {
			f.add("denial", nil, "denial nsec has no optout, salt or iterations: they are NSEC3's")
		}
		return
	}
	switch {
	case d.SaltLength < 0 || d.SaltLength > maxSalt:
		f.add("denial", nil, "denial nsec3 salt_length %d is not 0 to %d", d.SaltLength, maxSalt)
	case d.SaltLength > 0:
		w.add("denial", nil, "denial nsec3 salt_length %d: RFC 9276 section 3.1 says 0; a salt brings nothing", d.SaltLength)
	}
	switch {
	case d.Iterations >= refusedIterations:
		f.add("denial", nil, "denial nsec3 iterations %d is more than %d: validators treat such a zone as insecure or fail (RFC 9276 section 3.2)",
			d.Iterations, refusedIterations-1)
	case d.Iterations > 0:
		w.add("denial", nil, "denial nsec3 iterations %d: RFC 9276 section 3.1 says 0; some validators treat others as insecure", d.Iterations)
	}
}
