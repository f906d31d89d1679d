package keystore

import "time"

// Published reports whether BIND's tools would have the DNSKEY in the zone at a
// moment: its time has come, or it is to sign later and no time was given for
// its publication; and it is not yet deleted.
func (t Timing) Published(now time.Time) bool {
	if reached(t.Delete, now) {
		return false
	}
	return reached(t.Publish, now) || (t.Publish.IsZero() && !t.Activate.IsZero())
}

// Signs reports whether BIND's tools would sign with the key at a moment. A
// revoked key that is published signs the DNSKEY set (RFC 5011 section 2.1).
func (t Timing) Signs(now time.Time) bool {
	if !t.Published(now) {
		return false
	}
	if reached(t.Revoke, now) {
		return true
	}
	return reached(t.Activate, now) && !reached(t.Inactive, now)
}

// SyncPublished reports whether CDS and CDNSKEY records for the key belong into
// the zone at a moment (RFC 7344).
func (t Timing) SyncPublished(now time.Time) bool {
	return reached(t.SyncPublish, now) && !reached(t.SyncDelete, now)
}

// IsZero reports whether no time is set.
func (t Timing) IsZero() bool { return t == Timing{} }

func reached(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }
