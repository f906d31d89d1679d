package software

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// List implements keystore.Keystore.
func (s *Store) List(ctx context.Context, zone string) ([]keystore.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: list keys: %w", zone, err)
	}
	found, err := s.scan(zone)
	if err != nil {
		return nil, fmt.Errorf("%s: list keys: %w", zone, err)
	}
	var entries []keystore.Entry
	for _, f := range found {
		e, _ := s.load(zone, f)
		entries = append(entries, e)
	}
	return entries, nil
}

// load reads the files of a key and holds them against each other. What cannot
// be used has Err set, and as much of the rest as is known.
func (s *Store) load(zone string, f files) (keystore.Entry, crypto.Signer) {
	e := keystore.Entry{ID: f.name, Key: key.Key{Algorithm: f.algorithm, Tag: f.tag}, PublicOnly: !f.private}
	if f.public {
		pub, err := s.readPublic(f.name, zone)
		if err != nil {
			e.Err = err
			return e, nil
		}
		e.Key, e.Timing = pub.key, pub.timing
		if pub.key.Algorithm != f.algorithm || pub.key.Tag != f.tag {
			e.Err = fmt.Errorf("%s: the DNSKEY in it has algorithm %d and tag %05d, the name of the file says otherwise",
				s.dir.Path(f.name+publicSuffix), pub.key.Algorithm, pub.key.Tag)
			return e, nil
		}
	}
	var signer crypto.Signer
	if f.private {
		signer = s.loadPrivate(&e, f)
	}
	if e.Err == nil && f.state {
		e.Err = s.loadState(&e, f.name)
	}
	e.HasTiming = !e.Timing.IsZero()
	return e, signer
}

// loadPrivate reads the private key and checks that it belongs to the public one.
func (s *Store) loadPrivate(e *keystore.Entry, f files) crypto.Signer {
	path := s.dir.Path(f.name + privateSuffix)
	text, err := s.read(f.name + privateSuffix)
	if err != nil {
		e.Err = fmt.Errorf("private key: %w", err)
		return nil
	}
	private, err := parsePrivate(text)
	if err != nil {
		e.Err = fmt.Errorf("%s: %w", path, err)
		return nil
	}
	if !private.timing.IsZero() {
		e.Timing = private.timing
	}
	if !f.public {
		s.orphan(e, f, private)
		return nil
	}
	if private.algorithm != e.Key.Algorithm {
		e.Err = fmt.Errorf("%s: algorithm %d, but the DNSKEY in %s has %d", path, private.algorithm, f.name+publicSuffix, e.Key.Algorithm)
		return nil
	}
	pub, err := e.Key.PublicKey()
	if err != nil {
		e.Err = fmt.Errorf("%s: %w", s.dir.Path(f.name+publicSuffix), err)
		return nil
	}
	if !pub.(interface{ Equal(crypto.PublicKey) bool }).Equal(private.signer.Public()) {
		e.Err = fmt.Errorf("%s: this private key does not belong to the public key in %s", path, f.name+publicSuffix)
		return nil
	}
	return private.signer
}

// orphan describes a private key without its .key file. Which role it has only
// the tag tells.
func (s *Store) orphan(e *keystore.Entry, f files, private privateFile) {
	e.Err = fmt.Errorf("%s: %s is missing: %w; put it back, or remove this file",
		s.dir.Path(f.name+privateSuffix), f.name+publicSuffix, keystore.ErrIncomplete)
	for _, role := range []policy.Role{policy.ZSK, policy.KSK} {
		if k, err := key.New(role, private.algorithm, private.signer.Public()); err == nil && k.Tag == f.tag {
			e.Key = k
		}
	}
}

// loadState reads BIND's .state file and takes the role from it: a key of both
// kinds is only told from a KSK there.
func (s *Store) loadState(e *keystore.Entry, name string) error {
	path := s.dir.Path(name + stateSuffix)
	text, err := s.read(name + stateSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state of the key: %w", err)
	}
	state, err := parseState(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if alg, ok := state["Algorithm"]; ok && alg != fmt.Sprint(uint8(e.Key.Algorithm)) {
		return fmt.Errorf("%s: algorithm %s, but the key has %d", path, alg, e.Key.Algorithm)
	}
	e.State = state
	if e.Timing.IsZero() {
		e.Timing = stateTiming(state)
	}
	ksk, zsk := state["KSK"] == "yes", state["ZSK"] == "yes"
	sep := e.Key.Flags&key.FlagSEP != 0
	switch {
	case ksk && !sep, zsk && !ksk && sep:
		return fmt.Errorf("%s: KSK %s and ZSK %s do not fit a key with flags %d", path, state["KSK"], state["ZSK"], e.Key.Flags)
	case ksk && zsk:
		e.Key.Role = policy.CSK
	}
	return nil
}
