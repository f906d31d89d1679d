// Package keystoretest is what every back end of the keystore port has to pass.
package keystoretest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// Run runs the conformance tests. open returns two handles on one new and empty
// key store; for a store outside of the process they stand for two processes.
func Run(t *testing.T, open func(t *testing.T) (a, b keystore.Keystore)) {
	tests := []struct {
		name string
		test func(t *testing.T, a, b keystore.Keystore)
	}{
		{"EmptyStoreHasNoKeys", empty},
		{"EveryAlgorithmSigns", everyAlgorithm},
		{"RolesSetTheFlags", roles},
		{"TagsInUseAreAvoided", usedTags},
		{"RevokedTagsInUseAreAvoided", usedRevokedTags},
		{"TagsThatNeverEndAreAnError", allUsed},
		{"BadSpecsAreRefused", badSpecs},
		{"ZonesDoNotSeeEachOther", zones},
		{"ListIsSortedAndTheSameEverywhere", list},
		{"DestroyRemovesOneKey", destroy},
		{"EndedContextStopsEveryCall", ended},
		{"ConcurrentCreatesGiveDistinctKeys", concurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			test.test(t, a, b)
		})
	}
}

const zone = "example.org."

// now has no fraction of a second: not every back end keeps one.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func spec(role policy.Role, alg policy.Algorithm) keystore.Spec {
	return keystore.Spec{Role: role, Algorithm: alg, Now: now}
}

func create(t *testing.T, s keystore.Keystore, zone string, spec keystore.Spec) keystore.Entry {
	t.Helper()
	e, err := s.Create(t.Context(), zone, spec)
	if err != nil {
		t.Fatalf("Create(%s): %v", zone, err)
	}
	if e.ID == "" || e.Err != nil || e.PublicOnly || e.Key.Role != spec.Role || e.Key.Algorithm != spec.Algorithm {
		t.Fatalf("Create(%s) = %+v for %+v", zone, e, spec)
	}
	return e
}

func entries(t *testing.T, s keystore.Keystore, zone string) []keystore.Entry {
	t.Helper()
	list, err := s.List(t.Context(), zone)
	if err != nil {
		t.Fatalf("List(%s): %v", zone, err)
	}
	return list
}

func ids(list []keystore.Entry) (ids []string) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

func empty(t *testing.T, a, _ keystore.Keystore) {
	if list := entries(t, a, zone); len(list) != 0 {
		t.Errorf("List = %+v, want none", list)
	}
	if s, err := a.Open(t.Context(), zone, "Kexample.org.+013+00001"); !errors.Is(err, keystore.ErrNotExist) || s != nil {
		t.Errorf("Open = %v, %v; want ErrNotExist", s, err)
	}
	if err := a.Destroy(t.Context(), zone, "Kexample.org.+013+00001"); !errors.Is(err, keystore.ErrNotExist) {
		t.Errorf("Destroy = %v, want ErrNotExist", err)
	}
}

func everyAlgorithm(t *testing.T, a, b keystore.Keystore) {
	for _, alg := range []policy.Algorithm{policy.RSASHA256, policy.RSASHA512,
		policy.ECDSAP256SHA256, policy.ECDSAP384SHA384, policy.ED25519} {
		e := create(t, a, zone, spec(policy.ZSK, alg))
		list := entries(t, b, zone)
		at := slices.IndexFunc(list, func(l keystore.Entry) bool { return l.ID == e.ID })
		if at < 0 {
			t.Fatalf("%s: %s is not listed", alg, e.ID)
		}
		got := list[at]
		if got.Err != nil || got.PublicOnly || got.Key.PublicDigest() != e.Key.PublicDigest() || got.Timing != e.Timing || !got.HasTiming {
			t.Errorf("%s: listed as %+v, created as %+v", alg, got, e)
		}
		if want := (keystore.Timing{Created: now, Publish: now, Activate: now}); got.Timing != want {
			t.Errorf("%s: timing %+v, want %+v", alg, got.Timing, want)
		}
		signer, err := b.Open(t.Context(), zone, e.ID)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if err := check(e.Key, signer); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// check signs with a signer and verifies with the public key of the entry.
func check(k key.Key, signer crypto.Signer) error {
	pub, err := k.PublicKey()
	if err != nil {
		return err
	}
	message, hash := make([]byte, 32), crypto.SHA256
	if k.Algorithm == policy.ED25519 {
		hash = 0
	}
	signature, err := signer.Sign(nil, message, hash) // nil: deterministic
	if err != nil {
		return err
	}
	ok := false
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(pub, hash, message, signature) == nil
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(pub, message, signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(pub, message, signature)
	}
	if !ok {
		return errors.New("the signature does not verify")
	}
	return nil
}

func roles(t *testing.T, a, _ keystore.Keystore) {
	for role, flags := range map[policy.Role]uint16{policy.KSK: 257, policy.ZSK: 256, policy.CSK: 257} {
		if e := create(t, a, zone, spec(role, policy.ED25519)); e.Key.Flags != flags {
			t.Errorf("%s has flags %d, want %d", role, e.Key.Flags, flags)
		}
	}
}

func usedTags(t *testing.T, a, _ keystore.Keystore) {
	asked := 0
	s := spec(policy.ZSK, policy.ED25519)
	var refused uint16
	s.Used = func(tag uint16) bool {
		if asked++; asked == 1 {
			refused = tag
		}
		return tag == refused
	}
	if e := create(t, a, zone, s); e.Key.Tag == refused {
		t.Errorf("tag %d was said to be in use", refused)
	}
}

// usedRevokedTags says that the first key's tag is free, the one it would have
// revoked is not: a roll would one day put two keys of one tag into the zone (P2).
func usedRevokedTags(t *testing.T, a, _ keystore.Keystore) {
	s := spec(policy.KSK, policy.ED25519)
	var asked []uint16
	s.Used = func(tag uint16) bool {
		asked = append(asked, tag)
		return len(asked) == 2
	}
	e := create(t, a, zone, s)
	if len(asked) < 4 {
		t.Fatalf("asked for the tags %d only", asked)
	}
	if last := asked[len(asked)-2:]; !slices.Contains(last, e.Key.Tag) || !slices.Contains(last, e.Key.RevokedTag()) {
		t.Errorf("asked for %d at last, the key has %d and revoked %d", last, e.Key.Tag, e.Key.RevokedTag())
	}
	if slices.Contains(asked[:2], e.Key.Tag) {
		t.Errorf("a key whose revoked tag %d is in use was made", asked[1])
	}
}

func allUsed(t *testing.T, a, b keystore.Keystore) {
	s := spec(policy.ZSK, policy.ED25519)
	s.Used = func(uint16) bool { return true }
	if e, err := a.Create(t.Context(), zone, s); err == nil {
		t.Errorf("Create = %+v although every tag is in use", e)
	}
	if list := entries(t, b, zone); len(list) != 0 {
		t.Errorf("a key was left: %+v", list)
	}
}

func badSpecs(t *testing.T, a, b keystore.Keystore) {
	for name, s := range map[string]keystore.Spec{
		"NoRole":            spec(0, policy.ED25519),
		"Algorithm5":        spec(policy.ZSK, 5),
		"Algorithm16":       spec(policy.ZSK, 16),
		"BitsForECDSA":      {Role: policy.ZSK, Algorithm: policy.ECDSAP256SHA256, Bits: 2048, Now: now},
		"RSAUnder1024":      {Role: policy.ZSK, Algorithm: policy.RSASHA256, Bits: 1023, Now: now},
		"RSAMoreThan4096":   {Role: policy.ZSK, Algorithm: policy.RSASHA256, Bits: 4097, Now: now},
		"NegativeRSALength": {Role: policy.ZSK, Algorithm: policy.RSASHA256, Bits: -1, Now: now},
	} {
		if e, err := a.Create(t.Context(), zone, s); err == nil {
			t.Errorf("%s: Create = %+v, want an error", name, e)
		}
	}
	if list := entries(t, b, zone); len(list) != 0 {
		t.Errorf("a key was left: %+v", list)
	}
}

func zones(t *testing.T, a, b keystore.Keystore) {
	names := []string{".", "org.", "example.org.", "www.example.org.", `www\.example.org.`, `a\/b.org.`, "*.org."}
	made := map[string]string{}
	for _, zone := range names {
		made[zone] = create(t, a, zone, spec(policy.ZSK, policy.ED25519)).ID
	}
	for _, zone := range names {
		if got := ids(entries(t, b, zone)); !slices.Equal(got, []string{made[zone]}) {
			t.Errorf("%s has keys %q, want %q", zone, got, made[zone])
		}
		for _, other := range names {
			if other == zone {
				continue
			}
			if _, err := b.Open(t.Context(), other, made[zone]); !errors.Is(err, keystore.ErrNotExist) {
				t.Errorf("%s opens %s: %v", other, made[zone], err)
			}
			if err := b.Destroy(t.Context(), other, made[zone]); !errors.Is(err, keystore.ErrNotExist) {
				t.Errorf("%s destroys %s: %v", other, made[zone], err)
			}
		}
	}
	if got := ids(entries(t, b, "EXAMPLE.org")); !slices.Equal(got, []string{made[zone]}) {
		t.Errorf("with another case and no dot there are keys %q, want %q", got, made[zone])
	}
}

func list(t *testing.T, a, b keystore.Keystore) {
	var made []string
	for _, s := range []keystore.Keystore{a, b, a, b} {
		made = append(made, create(t, s, zone, spec(policy.ZSK, policy.ED25519)).ID)
	}
	slices.Sort(made)
	for _, s := range []keystore.Keystore{a, b} {
		if got := ids(entries(t, s, zone)); !slices.Equal(got, made) {
			t.Errorf("List = %q, want %q", got, made)
		}
	}
}

func destroy(t *testing.T, a, b keystore.Keystore) {
	kept, gone := create(t, a, zone, spec(policy.ZSK, policy.ED25519)), create(t, a, zone, spec(policy.KSK, policy.ED25519))
	if err := b.Destroy(t.Context(), zone, gone.ID); err != nil {
		t.Fatal(err)
	}
	if got := ids(entries(t, a, zone)); !slices.Equal(got, []string{kept.ID}) {
		t.Errorf("List = %q, want %q", got, kept.ID)
	}
	if _, err := a.Open(t.Context(), zone, gone.ID); !errors.Is(err, keystore.ErrNotExist) {
		t.Errorf("Open = %v, want ErrNotExist", err)
	}
	if err := a.Destroy(t.Context(), zone, gone.ID); !errors.Is(err, keystore.ErrNotExist) {
		t.Errorf("second Destroy = %v, want ErrNotExist", err)
	}
}

func ended(t *testing.T, a, _ keystore.Keystore) {
	e := create(t, a, zone, spec(policy.ZSK, policy.ED25519))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, createErr := a.Create(ctx, zone, spec(policy.ZSK, policy.ED25519))
	_, listErr := a.List(ctx, zone)
	_, openErr := a.Open(ctx, zone, e.ID)
	for what, err := range map[string]error{
		"Create": createErr, "List": listErr, "Open": openErr, "Destroy": a.Destroy(ctx, zone, e.ID),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want Canceled", what, err)
		}
	}
	if got := ids(entries(t, a, zone)); !slices.Equal(got, []string{e.ID}) {
		t.Errorf("List = %q, want %q", got, e.ID)
	}
}

func concurrent(t *testing.T, a, b keystore.Keystore) {
	var wg sync.WaitGroup
	for i := range 8 {
		s := []keystore.Keystore{a, b}[i%2]
		wg.Go(func() {
			if _, err := s.Create(t.Context(), zone, spec(policy.ZSK, policy.ECDSAP256SHA256)); err != nil {
				t.Errorf("Create: %v", err)
			}
		})
	}
	wg.Wait()
	tags := map[uint16]bool{}
	for _, e := range entries(t, a, zone) {
		tags[e.Key.Tag] = true
		if e.Err != nil {
			t.Errorf("%s: %v", e.ID, e.Err)
		}
	}
	if len(tags) != 8 {
		t.Errorf("%d tags, want 8", len(tags))
	}
}
