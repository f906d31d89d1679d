package policy

import (
	"fmt"
	"time"
)

// Fault is one rule that a policy breaks, or one piece of advice it does not
// follow.
type Fault struct {
	Property string // the Corefile's word for the value to change
	Text     string // the rule with its numbers
}

// Error returns the rule with its numbers.
func (f *Fault) Error() string { return f.Text }

const (
	// maxValidity keeps inception and expiration of a signature comparable: both
	// are 32-bit seconds in the serial arithmetic of RFC 1982 (RFC 4034 section
	// 3.1.5), and ten years are far enough from its limit and from any use.
	maxValidity = 10 * 365 * day
	minSlots    = 4 // a period of fewer slots would renew everything at nearly one moment

	// maxDNSKEYTTL is a week: caches cap TTLs there (RFC 8767 section 4).
	maxDNSKEYTTL = 7 * day

	maxSalt           = 255 // octets; RFC 5155 section 3.1.4
	refusedIterations = 51  // since CVE-2023-50868 BIND and Knot Resolver take more than 50 as insecure
	maxWorkers        = 1024
)

// Check returns what is wrong with the policy by itself, and what is unwise.
// Every element is a *Fault.
func (p Policy) Check() (faults, warnings []error) {
	var f, w findings
	p.checkKeys(&f)
	p.checkTimes(&f, "signatures_validity", p.Validity)
	if p.ValidityDNSKEY != p.Validity {
		p.checkTimes(&f, "signatures_validity_dnskey", p.ValidityDNSKEY)
	}
	p.checkTTL(&f)
	p.checkDenial(&f, &w)
	if p.Workers < 0 || p.Workers > maxWorkers {
		f.add("workers", "workers %d: 1 to %d are possible, 0 is the default", p.Workers, maxWorkers)
	}
	if p.MassChange < 0 || p.MassChange > 100 {
		f.add("mass_change", "mass_change %d: a percentage is 0 to 100", p.MassChange)
	}
	if p.NoParent && len(p.ParentAgents) > 0 {
		f.add("parent", "parent none and parent agents exclude each other")
	}
	return f, w
}

type findings []error

func (f *findings) add(property, format string, args ...any) {
	*f = append(*f, &Fault{Property: property, Text: fmt.Sprintf(format, args...)})
}

// checkKeys looks at the algorithm and at the lengths that the scheme uses; 0
// stands for the algorithm's default.
func (p Policy) checkKeys(f *findings) {
	if err := p.Algorithm.Check(); err != nil {
		f.add("algorithm", "%v", err)
		return
	}
	for _, role := range []struct {
		property string
		bits     int
		used     bool
	}{
		{"ksk", p.KSKBits, p.Scheme == SchemeSplit},
		{"zsk", p.ZSKBits, p.Scheme == SchemeSplit},
		{"csk", p.CSKBits, p.Scheme == SchemeCSK},
	} {
		if role.bits == 0 {
			continue
		}
		if err := p.Algorithm.CheckBits(role.bits); err != nil {
			f.add(role.property, "%s %v", role.property, err)
		} else if !role.used {
			f.add(role.property, "%s bits %d: scheme %s has no %[1]s", role.property, role.bits, p.Scheme)
		}
	}
}

// checkTimes holds one validity against the refresh.
func (p Policy) checkTimes(f *findings, property string, validity time.Duration) {
	v, r := FormatDuration(validity), FormatDuration(p.Refresh)
	switch {
	case validity <= 0:
		f.add(property, "%s %s is not more than 0", property, v)
	case validity > maxValidity:
		f.add(property, "%s %s is more than %s", property, v, FormatDuration(maxValidity))
	case p.Refresh >= validity:
		f.add("signatures_refresh", "signatures_refresh %s is not less than %s %s: every signature would be due at once", r, property, v)
	default:
		width, period := SlotWidth(validity, p.Refresh), Period(validity, p.Refresh)
		if period < minSlots*width {
			f.add("signatures_refresh", "%s %s - signatures_refresh %s = %s is less than %d slots of %s: signatures could not be spread",
				property, v, r, FormatDuration(validity-p.Refresh), minSlots, FormatDuration(width))
		}
	}
}

// checkTTL makes sure that a DNSKEY set in a cache is never outlived by its
// signature's end (RFC 6781 section 4.4.2).
func (p Policy) checkTTL(f *findings) {
	ttl := time.Duration(p.DNSKEYTTL) * time.Second
	if ttl < time.Second || ttl > maxDNSKEYTTL {
		f.add("dnskey_ttl", "dnskey_ttl %s is not between 1s and %s", FormatDuration(ttl), FormatDuration(maxDNSKEYTTL))
		return
	}
	if p.Refresh < ttl+Propagation {
		f.add("signatures_refresh", "signatures_refresh %s is less than dnskey_ttl %s + propagation %s = %s: caches would outlive signatures",
			FormatDuration(p.Refresh), FormatDuration(ttl), FormatDuration(Propagation), FormatDuration(ttl+Propagation))
	}
}

func (p Policy) checkDenial(f, w *findings) {
	d := p.Denial
	if !d.NSEC3 {
		if d != (Denial{}) {
			f.add("denial", "denial nsec has no optout, salt or iterations: they are NSEC3's")
		}
		return
	}
	switch {
	case d.SaltLength < 0 || d.SaltLength > maxSalt:
		f.add("denial", "denial nsec3 salt_length %d is not 0 to %d", d.SaltLength, maxSalt)
	case d.SaltLength > 0:
		w.add("denial", "denial nsec3 salt_length %d: RFC 9276 section 3.1 says 0; a salt brings nothing", d.SaltLength)
	}
	switch {
	case d.Iterations >= refusedIterations:
		f.add("denial", "denial nsec3 iterations %d is more than %d: validators treat such a zone as insecure or fail (RFC 9276 section 3.2)",
			d.Iterations, refusedIterations-1)
	case d.Iterations > 0:
		w.add("denial", "denial nsec3 iterations %d: RFC 9276 section 3.1 says 0; some validators treat others as insecure", d.Iterations)
	}
}

// CheckZone returns what is unwise about the policy for a zone: soaExpire is
// the expire field of its SOA, maxTTL its longest TTL, transferred says that it
// is handed to secondaries (P20: they may outlive the signatures). Every element
// is a *Fault.
func (p Policy) CheckZone(soaExpire, maxTTL time.Duration, transferred bool) []error {
	var w findings
	refresh := FormatDuration(p.Refresh)
	if need := maxTTL + Propagation; p.Refresh < need {
		w.add("signatures_refresh", "signatures_refresh %s is less than the longest TTL %s + propagation %s: "+
			"other servers of the zone may hand out records that outlive their signatures; "+
			"signatures_refresh %s or more, or TTLs of at most %s, would do",
			refresh, FormatDuration(maxTTL), FormatDuration(Propagation), FormatDuration(need),
			FormatDuration(p.Refresh-Propagation))
	}
	if need := soaExpire + Propagation; transferred && p.Refresh < need {
		w.add("signatures_refresh", "signatures_refresh %s is less than SOA expire %s + propagation %s: "+
			"a secondary that is cut off goes on with expired signatures; "+
			"signatures_refresh %s or more, or an SOA expire of at most %s, would do",
			refresh, FormatDuration(soaExpire), FormatDuration(Propagation), FormatDuration(need),
			FormatDuration(p.Refresh-Propagation))
	}
	return w
}
