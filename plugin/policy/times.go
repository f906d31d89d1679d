package policy

import "time"

const (
	// maxDuration keeps inception and expiration of a signature comparable: both
	// are 32-bit seconds in the serial arithmetic of RFC 1982 (RFC 4034 section
	// 3.1.5), and ten years are far enough from its limit and from any use. For
	// the other durations it says where a slip of the pen begins.
	maxDuration = 10 * 365 * day
	minSlots    = 4 // a period of fewer slots would renew everything at nearly one moment

	// maxDNSKEYTTL is a week: caches cap TTLs there (RFC 8767 section 4).
	maxDNSKEYTTL = 7 * day
)

// checkTimes holds the durations against their limits and against each other.
// Lifetimes are only held against durations that are good by themselves.
func (p Policy) checkTimes(f, w *findings) {
	before := len(*f)
	p.checkValidity(f, "signatures_validity", p.Validity)
	if p.ValidityDNSKEY != p.Validity {
		p.checkValidity(f, "signatures_validity_dnskey", p.ValidityDNSKEY)
	}
	p.checkDelays(f)
	p.checkTTL(f)
	if len(*f) == before {
		p.checkLifetimes(f, w)
	}
}

// checkValidity holds one validity against the refresh.
func (p Policy) checkValidity(f *findings, property string, validity time.Duration) {
	v, r := FormatDuration(validity), FormatDuration(p.Refresh)
	against := []string{property}
	switch {
	case validity <= 0:
		f.add(property, nil, "%s %s is not more than 0", property, v)
	case validity > maxDuration:
		f.add(property, nil, "%s %s is more than %s", property, v, FormatDuration(maxDuration))
	case p.Refresh >= validity:
		f.add("signatures_refresh", against, "signatures_refresh %s is not less than %s %s: every signature would be due at once", r, property, v)
	default:
		width, period := SlotWidth(validity, p.Refresh), Period(validity, p.Refresh)
		if period < minSlots*width {
			f.add("signatures_refresh", against, "%s %s - signatures_refresh %s = %s is less than %d slots of %s: signatures could not be spread",
				property, v, r, FormatDuration(validity-p.Refresh), minSlots, FormatDuration(width))
		}
	}
}

// checkDelays looks at each of the durations that rolls wait for.
func (p Policy) checkDelays(f *findings) {
	for _, delay := range []struct {
		property, word string
		length         time.Duration
	}{
		{"zone_propagation_delay", "zone_propagation_delay", p.ZonePropagation},
		{"publish_safety", "publish_safety", p.PublishSafety},
		{"retire_safety", "retire_safety", p.RetireSafety},
		{"parent", "parent ds_ttl", p.DSTTL},
		{"parent", "parent propagation_delay", p.ParentPropagation},
	} {
		if delay.length < time.Second || delay.length > maxDuration {
			f.add(delay.property, nil, "%s %s is not between 1s and %s", delay.word, FormatDuration(delay.length), FormatDuration(maxDuration))
		}
	}
	if p.PurgeKeys < 0 {
		f.add("purge_keys", nil, "purge_keys %s is less than 0", FormatDuration(p.PurgeKeys))
	}
}

// checkTTL makes sure that a DNSKEY set in a cache is never outlived by its
// signature's end (RFC 6781 section 4.4.2).
func (p Policy) checkTTL(f *findings) {
	ttl := time.Duration(p.DNSKEYTTL) * time.Second
	if ttl < time.Second || ttl > maxDNSKEYTTL {
		f.add("dnskey_ttl", nil, "dnskey_ttl %s is not between 1s and %s", FormatDuration(ttl), FormatDuration(maxDNSKEYTTL))
		return
	}
	if need := ttl + p.ZonePropagation; p.Refresh < need && p.ZonePropagation <= maxDuration {
		f.add("signatures_refresh", []string{"dnskey_ttl", "zone_propagation_delay"},
			"signatures_refresh %s is less than dnskey_ttl %s + zone_propagation_delay %s = %s: caches would outlive signatures",
			FormatDuration(p.Refresh), FormatDuration(ttl), FormatDuration(p.ZonePropagation), FormatDuration(need))
	}
}

// CheckZone returns what is unwise about the policy for a zone: soaExpire is
// the expire field of its SOA, maxTTL its longest TTL, transferred says that it
// is handed to secondaries (they may outlive the signatures). Every element is a
// *Fault. The policy has passed Check.
func (p Policy) CheckZone(soaExpire, maxTTL time.Duration, transferred bool) []error {
	var w findings
	refresh, delay := FormatDuration(p.Refresh), FormatDuration(p.ZonePropagation)
	if need := maxTTL + p.ZonePropagation; p.Refresh < need {
		w.add("signatures_refresh", nil, "signatures_refresh %s is less than the longest TTL %s + zone_propagation_delay %s: "+
			"other servers of the zone may hand out records that outlive their signatures; "+
			"signatures_refresh %s or more, or TTLs of at most %s, would do",
			refresh, FormatDuration(maxTTL), delay, FormatDuration(need), FormatDuration(p.Refresh-p.ZonePropagation))
	}
	if need := soaExpire + p.ZonePropagation; transferred && p.Refresh < need {
		w.add("signatures_refresh", nil, "signatures_refresh %s is less than SOA expire %s + zone_propagation_delay %s: "+
			"a secondary that is cut off goes on with expired signatures; "+
			"signatures_refresh %s or more, or an SOA expire of at most %s, would do",
			refresh, FormatDuration(soaExpire), delay, FormatDuration(need), FormatDuration(p.Refresh-p.ZonePropagation))
	}
	p.checkZoneLifetimes(&w, maxTTL)
	return w
}
