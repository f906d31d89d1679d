// Package software keeps private keys as BIND files in a directory: for each key
// K<zone>+<algorithm>+<tag>.key with the DNSKEY record and .private with the
// private key, both of mode 0600. What dnssec-keygen, ldns-keygen and others
// wrote is read, and what is written here they read.
package software

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/durable"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/store"
)

// maxTries bounds the keys made in a row whose tags are all in use already.
const maxTries = 64

// Store is a keystore.Keystore of BIND key files in a directory.
type Store struct {
	dir      *durable.Dir
	generate func(alg policy.Algorithm, bits int) (crypto.Signer, error)
}

var (
	_ keystore.Keystore = (*Store)(nil)
	_ keystore.DSWriter = (*Store)(nil)

	_ keystore.TimingWriter = (*Store)(nil)
)

// New returns the key store in the directory, which is made by the first Create.
func New(dir string) *Store { return &Store{dir: durable.New(dir), generate: generate} }

// Create implements keystore.Keystore. The private key is on disk before the
// .key file names it: a stop in between leaves a private key that nobody knows.
func (s *Store) Create(ctx context.Context, zone string, spec keystore.Spec) (keystore.Entry, error) {
	bits := spec.Bits
	if bits == 0 {
		bits = spec.Algorithm.DefaultBits()
	}
	err := errors.Join(spec.Algorithm.Check(), spec.Algorithm.CheckBits(bits))
	if err == nil && !slices.Contains([]policy.Role{policy.KSK, policy.ZSK, policy.CSK}, spec.Role) {
		err = fmt.Errorf("role %s is none of KSK, ZSK and CSK", spec.Role)
	}
	if err != nil {
		return keystore.Entry{}, fmt.Errorf("%s: create key: %w", zone, err)
	}
	for range maxTries {
		// Made outside of the lock: an RSA key may take a second.
		signer, err := s.generate(spec.Algorithm, bits)
		if err != nil {
			return keystore.Entry{}, fmt.Errorf("%s: create key: %w", zone, err)
		}
		entry, free, err := s.add(ctx, zone, spec, signer)
		if err != nil {
			return keystore.Entry{}, fmt.Errorf("%s: create key: %w", zone, err)
		}
		if free {
			return entry, nil
		}
	}
	return keystore.Entry{}, fmt.Errorf("%s: create key: the tags of %d new keys in a row are in use", zone, maxTries)
}

// add writes a new key, unless its tag is taken.
func (s *Store) add(ctx context.Context, zone string, spec keystore.Spec, signer crypto.Signer) (e keystore.Entry, free bool, err error) {
	k, err := key.New(spec.Role, spec.Algorithm, signer.Public())
	if err != nil {
		return e, false, err
	}
	now := spec.Now.UTC().Truncate(time.Second) // what the files can hold
	timing := keystore.Timing{Created: now}
	if !spec.Spare {
		timing.Publish, timing.Activate = now, now
	}
	private, err := formatPrivate(spec.Algorithm, signer, timing)
	if err != nil {
		return e, false, err
	}
	err = s.dir.Exclusive(ctx, func() error {
		free, err = s.tagIsFree(zone, k, spec.Used)
		if err != nil || !free {
			return err
		}
		id := fileID{store.FileName(zone), k.Algorithm, k.Tag}.String()
		e = keystore.Entry{ID: id, Key: k, Timing: timing, HasTiming: true}
		if err := s.dir.Create(id+privateSuffix, private); err != nil {
			return err
		}
		err := s.dir.Create(id+publicSuffix, formatPublic(zone, k, timing))
		if err != nil {
			// Nobody was told of the key: without the public part it would lie
			// here for ever. The error is about the first failure.
			_ = s.dir.Remove(id+publicSuffix, id+privateSuffix)
		}
		return err
	})
	return e, free, err
}

// tagIsFree reports whether no key of the zone has the tag of k, nor the one
// that either would get by being revoked (RFC 5011 section 3): validators try
// every key of a tag, and give up soon (P2, P14).
func (s *Store) tagIsFree(zone string, k key.Key, used func(uint16) bool) (bool, error) {
	files, err := s.scan(zone)
	if err != nil {
		return false, err
	}
	revoked := k.RevokedTag()
	if used != nil && (used(k.Tag) || used(revoked)) {
		return false, nil
	}
	for _, f := range files {
		tags := []uint16{f.tag}
		if other, err := s.readPublic(f.name, zone); err == nil {
			tags = append(tags, other.key.Tag, other.key.RevokedTag())
		}
		if slices.Contains(tags, k.Tag) || slices.Contains(tags, revoked) {
			return false, nil
		}
	}
	return true, nil
}

// Open implements keystore.Keystore.
func (s *Store) Open(ctx context.Context, zone, id string) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: open key %s: %w", zone, id, err)
	}
	f, err := s.find(zone, id)
	if err != nil {
		return nil, fmt.Errorf("%s: open key %s: %w", zone, id, err)
	}
	entry, signer := s.load(zone, f)
	switch {
	case entry.Err != nil:
		return nil, fmt.Errorf("%s: open key %s: %w", zone, id, entry.Err)
	case entry.PublicOnly:
		return nil, fmt.Errorf("%s: open key %s: %w", zone, s.dir.Path(id), keystore.ErrPublicOnly)
	}
	return signer, nil
}

// Destroy implements keystore.Keystore. The .private file goes last: were the
// .key file left alone, it would look like a key that is kept off-line.
func (s *Store) Destroy(ctx context.Context, zone, id string) error {
	if _, err := s.find(zone, id); err != nil {
		return fmt.Errorf("%s: destroy key %s: %w", zone, id, err)
	}
	err := s.dir.Exclusive(ctx, func() error {
		if _, err := s.find(zone, id); err != nil {
			return err
		}
		return s.dir.Remove(id+stateSuffix, id+publicSuffix, id+privateSuffix)
	})
	if err != nil {
		return fmt.Errorf("%s: destroy key %s: %w", zone, id, err)
	}
	return nil
}

// WriteDS implements keystore.DSWriter: the records stand in the file
// dsset-<zone>, one a line, as dnssec-signzone names it.
func (s *Store) WriteDS(ctx context.Context, zone string, records []string) error {
	text := strings.Join(records, "\n") + "\n"
	err := s.dir.Exclusive(ctx, func() error {
		return s.dir.Replace("dsset-"+store.FileName(zone), []byte(text))
	})
	if err != nil {
		return fmt.Errorf("%s: write DS records: %w", zone, err)
	}
	return nil
}

// generate makes a private key.
func generate(alg policy.Algorithm, bits int) (crypto.Signer, error) {
	switch alg {
	case policy.RSASHA256, policy.RSASHA512:
		return rsa.GenerateKey(rand.Reader, bits)
	case policy.ECDSAP256SHA256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case policy.ECDSAP384SHA384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case policy.ED25519:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, alg.Check()
}
