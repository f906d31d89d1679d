package state

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// check returns the first invariant of the document that does not hold.
func (d *Document) check() error {
	if d.Version != Version {
		return fmt.Errorf("version %d, not %d", d.Version, Version)
	}
	return errors.Join(d.checkTags(), d.checkKeys(), d.checkGenerations(), d.checkClaims())
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
	for i, k := range d.Keys {
		owner, used := d.tagOwner(k.Tag)
		switch {
		case k.ID == "":
			return fmt.Errorf("key %d has no ID", i)
		case k.Role != "KSK" && k.Role != "ZSK" && k.Role != "CSK":
			return fmt.Errorf("key %s: role %q", k.ID, k.Role)
		case !isDigest(k.PublicDigest):
			return fmt.Errorf("key %s: public digest %q", k.ID, k.PublicDigest)
		case slices.ContainsFunc(d.Keys[:i], func(o Key) bool { return o.ID == k.ID || o.PublicDigest == k.PublicDigest }):
			return fmt.Errorf("key %s is there twice", k.ID)
		case !used || owner != k.PublicDigest:
			return fmt.Errorf("key %s: tag %d is not noted as its own", k.ID, k.Tag)
		}
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
		for _, id := range slices.Concat(g.KSKs, g.ZSKs) {
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
