package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// checkPresigned reports whether the DNSKEY set that the source brought can be
// served: every key that signs the zone stands in it, and an RRSIG over it is
// valid now. It notes when the first of the valid ones expires.
func (p *Plan) checkPresigned() error {
	pre := p.in.Zone.Presigned
	if pre == nil {
		return errors.New("only ZSKs are at hand, and the source brings no DNSKEY set that a KSK signed")
	}
	for _, g := range p.in.Generations {
		for _, n := range g.ZoneSigners {
			k := &p.in.Keys[n]
			if !slices.ContainsFunc(pre.Keys, func(rd []byte) bool { return bytes.Equal(rd, k.DNSKEY) }) {
				return fmt.Errorf("key %d signs the zone, but is not in the source's DNSKEY set", k.Tag)
			}
		}
	}
	if len(pre.RRSIGs) == 0 {
		return errors.New("the source's DNSKEY set has no RRSIG")
	}
	var errs []error
	for _, rd := range pre.RRSIGs {
		sig, err := parseRRSIG(rd)
		if err == nil {
			err = p.verifyPresigned(sig)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("RRSIG by key %d: %w", sig.tag, err))
			continue
		}
		p.presignedExpiry = earlier(p.presignedExpiry, p.schedule.now+int64(int32(sig.expiration-uint32(p.schedule.now))))
	}
	if p.presignedExpiry == 0 {
		return fmt.Errorf("the source's DNSKEY set has no valid RRSIG: %w", errors.Join(errs...))
	}
	return nil
}

// rrsig is an RRSIG record that was made elsewhere (RFC 4034 section 3.1).
type rrsig struct {
	fields                []byte // the RDATA without the signature
	algorithm, labels     uint8
	expiration, inception uint32
	ttl                   uint32
	tag                   uint16
	signer, signature     []byte
}

func parseRRSIG(rd []byte) (s rrsig, err error) {
	const fixed = 18
	if len(rd) < fixed {
		return s, errors.New("too short")
	}
	s.algorithm, s.labels = rd[2], rd[3]
	s.ttl = binary.BigEndian.Uint32(rd[4:])
	s.expiration, s.inception = binary.BigEndian.Uint32(rd[8:]), binary.BigEndian.Uint32(rd[12:])
	s.tag = binary.BigEndian.Uint16(rd[16:])
	end := fixed
	for end < len(rd) && rd[end] != 0 {
		end += 1 + int(rd[end])
	}
	if end >= len(rd) || !zone.ValidWire(rd[fixed:end+1]) {
		return s, errors.New("malformed signer name")
	}
	s.fields, s.signer, s.signature = rd[:end+1], rd[fixed:end+1], rd[end+1:]
	return s, nil
}

// verifyPresigned checks one RRSIG over the source's DNSKEY set (RFC 4035
// section 5.3).
func (p *Plan) verifyPresigned(s rrsig) error {
	now := uint32(p.schedule.now)
	signer := zone.AppendWire(nil, zone.AppendKey(nil, s.signer), []byte{0})
	switch {
	case !bytes.Equal(signer, p.origin):
		return fmt.Errorf("the signer is %s", zone.Text(s.signer))
	case s.labels != p.in.Zone.OwnerLabels(nil):
		return fmt.Errorf("the labels field is %d", s.labels)
	case int32(now-s.inception) < 0:
		return errors.New("its time has not come yet")
	case int32(s.expiration-now) <= 0:
		return errors.New("it has expired")
	}
	e := &engine{plan: p}
	e.owner(nil)
	e.data = append(append(e.data, s.fields[:len(s.fields)-len(s.signer)]...), signer...)
	for _, rd := range p.in.Zone.Presigned.Keys {
		e.record(zone.TypeDNSKEY, s.ttl, rd)
	}
	err := errors.New("its key is not in the set")
	for _, rd := range p.in.Zone.Presigned.Keys {
		if key.Tag(rd) == s.tag && len(rd) > 4 && rd[3] == s.algorithm {
			if err = e.verify(rd, s.signature); err == nil {
				return nil
			}
		}
	}
	return err
}

// verify checks a signature over the data by the key of a DNSKEY record.
func (e *engine) verify(dnskey, signature []byte) error {
	k, err := key.FromDNSKEY(dnskey)
	if err != nil {
		return err
	}
	public, err := k.PublicKey()
	if err != nil {
		return err
	}
	if k.Flags&key.FlagRevoke != 0 {
		return errors.New("its key is revoked")
	}
	message, hash := e.digest(k.Algorithm)
	if !verified(public, k.Algorithm, message, hash, signature) {
		return errors.New("it does not verify")
	}
	return nil
}

func verified(public crypto.PublicKey, alg policy.Algorithm, message []byte, hash crypto.Hash, signature []byte) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, hash, message, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, message, signature)
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return len(signature) == alg.SignatureSize(0) && ecdsa.Verify(public, message, r, s)
	}
	return false
}
