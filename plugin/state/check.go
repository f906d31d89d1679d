package state

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// check returns the first invariant of the document that does not hold.
func (d *Document) check() error {
	if d.Version != Version {
		return fmt.Errorf("version %d, not %d", d.Version, Version)
	}
	return errors.Join(d.checkTags(), d.checkKeys(), d.checkGenerations(), d.checkClaims(), d.checkPolicy())
}

// checkPolicy reports a policy that could not be restored.
func (d *Document) checkPolicy() error {
	if d.PolicyRevision == 0 { // none was set yet
		return nil
	}
	_, err := d.Policy.Over(policy.Policy{})
	return err
}

func (d *Document) checkTags() error {
	for i, u := range d.UsedTags {
		if i > 0 && u.Tag <= d.UsedTags[i-1].Tag {
			return fmt.Errorf("used tags are not in order at %d", u.Tag)
		}
		if !isDigest(u.PublicDigest) {
			return fmt.Errorf("used tag %d has no digest of its key", u.Tag)
		}
	}
	return nil
}

func (d *Document) checkKeys() error {
	keys := d.KeySet.Keys
	for i, k := range keys {
		owner, used := d.tagOwner(k.Tag)
		switch {
		case k.ID == "":
			return fmt.Errorf("key %d has no ID", i)
		case k.Role.String() != "KSK" && k.Role.String() != "ZSK" && k.Role.String() != "CSK":
			return fmt.Errorf("key %s: role %s", k.ID, k.Role)
		case !isDigest(k.PublicDigest):
			return fmt.Errorf("key %s: public digest %q", k.ID, k.PublicDigest)
		case slices.ContainsFunc(keys[:i], func(o rollover.Key) bool { return o.ID == k.ID || o.PublicDigest == k.PublicDigest }):
			return fmt.Errorf("key %s is there twice", k.ID)
		case !used || owner != k.PublicDigest:
			return fmt.Errorf("key %s: tag %d is not noted as its own", k.ID, k.Tag)
		case d.Spare(k.ID) != nil || slices.Contains(d.Doomed, k.ID):
			return fmt.Errorf("key %s is in the key set and outside of it", k.ID)
		}
		if err := checkRecords(k); err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
	}
	return d.checkSpares()
}

func (d *Document) checkSpares() error {
	for _, s := range d.Pool {
		owner, used := d.tagOwner(s.Tag)
		switch {
		case s.ID == "":
			return errors.New("a key of the pool has no ID")
		case !isDigest(s.PublicDigest):
			return fmt.Errorf("key %s of the pool: public digest %q", s.ID, s.PublicDigest)
		case !used || owner != s.PublicDigest:
			return fmt.Errorf("key %s of the pool: tag %d is not noted as its own", s.ID, s.Tag)
		}
	}
	return nil
}

// checkRecords reports goals that cannot be reached, and evidence that excludes
// each other.
func checkRecords(k rollover.Key) error {
	for r, s := range k.Records {
		if s.Goal != rollover.Hidden && s.Goal != rollover.Omnipresent {
			return fmt.Errorf("%s can only be on the way to hidden or omnipresent, not to %s", rollover.Record(r), s.Goal)
		}
	}
	if !k.DSSeen.IsZero() && !k.DSGone.IsZero() {
		return errors.New("its DS is both seen and gone")
	}
	return nil
}

func (d *Document) checkGenerations() error {
	if len(d.Generations) > MaxGenerations {
		return fmt.Errorf("%d generations, at most %d can live", len(d.Generations), MaxGenerations)
	}
	for i, g := range d.Generations {
		if i > 0 && !g.Since.After(d.Generations[i-1].Since) {
			return errors.New("generations are not in order")
		}
		if g.Refresh <= 0 || g.Refresh >= g.Validity || g.Refresh >= g.ValidityDNSKEY {
			return fmt.Errorf("generation %d: refresh is not between zero and the validities", i)
		}
		if len(g.ZSKs) == 0 {
			return fmt.Errorf("generation %d: no key signs", i)
		}
		for _, id := range g.ZSKs {
			if d.Key(id) == nil {
				return fmt.Errorf("generation %d signs with key %q, which is not there", i, id)
			}
		}
	}
	return nil
}

func (d *Document) checkClaims() error {
	if len(d.Claims) > MaxClaims {
		return fmt.Errorf("%d claims, at most %d are kept", len(d.Claims), MaxClaims)
	}
	for i, c := range d.Claims {
		if !isDigest(c.Digest) {
			return fmt.Errorf("claim of serial %d: digest %q", c.Serial, c.Digest)
		}
		if i > 0 && !later(c.Serial, d.Claims[i-1].Serial) {
			return fmt.Errorf("claims are not in order at serial %d", c.Serial)
		}
	}
	return nil
}

// isDigest reports whether s is a SHA-256 digest in hexadecimal.
func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// later reports whether serial a comes after b (RFC 1982 section 3.2).
func later(a, b uint32) bool { return int32(a-b) > 0 }
