package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
)

// Flags of a DNSKEY (RFC 4034 section 2.1.1, RFC 5011 section 7).
const (
	flagZone   = 1 << 8
	flagRevoke = 1 << 7
)

// publicKey is a DNSKEY as signatures name it.
type publicKey struct {
	rdata     []byte
	tag       uint16
	flags     uint16
	algorithm uint8
	published bool // in the DNSKEY set, not only announced
	size      int  // octets of a signature
	public    any  // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// parseKey reads the RDATA of a DNSKEY (RFC 4034 section 2.1).
func parseKey(rdata []byte) (*publicKey, error) {
	if len(rdata) < 5 {
		return nil, errors.New("malformed DNSKEY")
	}
	k := &publicKey{rdata: append([]byte(nil), rdata...), tag: keyTag(rdata), flags: be16(rdata), algorithm: rdata[3]}
	if rdata[2] != 3 {
		return k, fmt.Errorf("key %d has protocol %d, not 3", k.tag, rdata[2])
	}
	if k.flags&flagZone == 0 {
		return k, fmt.Errorf("key %d is no zone key", k.tag)
	}
	var err error
	switch material := rdata[4:]; k.algorithm {
	case 8, 10:
		k.public, k.size, err = parseRSA(material)
	case 13:
		k.public, k.size, err = parseECDSA(elliptic.P256(), material)
	case 14:
		k.public, k.size, err = parseECDSA(elliptic.P384(), material)
	case 15:
		k.public, k.size = ed25519.PublicKey(append([]byte(nil), material...)), ed25519.SignatureSize
		if len(material) != ed25519.PublicKeySize {
			err = fmt.Errorf("%d octets are no Ed25519 key", len(material))
		}
	default:
		err = fmt.Errorf("algorithm %d is not supported", k.algorithm)
	}
	if err != nil {
		return k, fmt.Errorf("key %d: %w", k.tag, err)
	}
	return k, nil
}

// revoked reports whether the key revokes itself (RFC 5011 section 2.1).
func (k *publicKey) revoked() bool { return k.flags&flagRevoke != 0 }

// tags returns the tags by which the key is known: its own, and before that the
// one from before it was revoked, which DS records and caches may still name.
func (k *publicKey) tags() []uint16 {
	if !k.revoked() {
		return []uint16{k.tag}
	}
	before := append([]byte(nil), k.rdata...)
	before[1] &^= flagRevoke
	return []uint16{keyTag(before), k.tag}
}

// keyTag computes a key tag (RFC 4034 appendix B).
func keyTag(rdata []byte) uint16 {
	sum := uint32(0)
	for i, c := range rdata {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
	}
	return uint16(sum + sum>>16)
}

// parseRSA reads an RSA key (RFC 3110 section 2).
func parseRSA(b []byte) (*rsa.PublicKey, int, error) {
	if len(b) < 1 {
		return nil, 0, errors.New("empty RSA key")
	}
	n, rest := int(b[0]), b[1:]
	if n == 0 && len(rest) >= 2 {
		n, rest = int(be16(rest)), rest[2:]
	}
	if n == 0 || n > len(rest) {
		return nil, 0, errors.New("malformed RSA key")
	}
	exponent, modulus := new(big.Int).SetBytes(rest[:n]), new(big.Int).SetBytes(rest[n:])
	if exponent.BitLen() > 31 || exponent.Int64() < 3 {
		return nil, 0, errors.New("RSA exponent out of range")
	}
	if bits := modulus.BitLen(); bits < 1024 || bits > 4096 {
		return nil, 0, fmt.Errorf("RSA key of %d bits", bits)
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, (modulus.BitLen() + 7) / 8, nil
}

// parseECDSA reads a key of RFC 6605 section 4: both coordinates.
func parseECDSA(curve elliptic.Curve, b []byte) (*ecdsa.PublicKey, int, error) {
	k, err := ecdsa.ParseUncompressedPublicKey(curve, append([]byte{4}, b...))
	if err != nil {
		return nil, 0, fmt.Errorf("no point of %s", curve.Params().Name)
	}
	return k, len(b), nil
}
