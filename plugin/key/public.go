package key

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// maxExponent bounds RSA public exponents to what Go's crypto/rsa takes.
const maxExponent = 1<<31 - 1

// PublicKey returns the key for crypto: *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey.
func (k Key) PublicKey() (crypto.PublicKey, error) {
	if err := k.Algorithm.Check(); err != nil {
		return nil, err
	}
	switch k.Algorithm {
	case policy.RSASHA256, policy.RSASHA512:
		return decodeRSA(k.Public)
	case policy.ECDSAP256SHA256:
		return decodeECDSA(elliptic.P256(), k.Algorithm, k.Public)
	case policy.ECDSAP384SHA384:
		return decodeECDSA(elliptic.P384(), k.Algorithm, k.Public)
	default:
		if len(k.Public) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("public key of %s has %d octets, not %d", k.Algorithm, len(k.Public), ed25519.PublicKeySize)
		}
		return ed25519.PublicKey(append([]byte(nil), k.Public...)), nil
	}
}

// Bits returns the length of the key: the modulus for RSA, the curve otherwise;
// 0 for a key that is not readable.
func (k Key) Bits() int {
	pub, err := k.PublicKey()
	if err != nil {
		return 0
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return pub.N.BitLen()
	case *ecdsa.PublicKey:
		return pub.Curve.Params().BitSize
	default:
		return 256
	}
}

// encodePublic makes the public key field of a DNSKEY record.
func encodePublic(alg policy.Algorithm, pub crypto.PublicKey) ([]byte, error) {
	if err := alg.Check(); err != nil {
		return nil, err
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if alg.RSA() {
			return encodeRSA(pub)
		}
	case *ecdsa.PublicKey:
		if (alg == policy.ECDSAP256SHA256 && pub.Curve == elliptic.P256()) ||
			(alg == policy.ECDSAP384SHA384 && pub.Curve == elliptic.P384()) {
			point, err := pub.Bytes()
			if err != nil {
				return nil, fmt.Errorf("public key of %s: %w", alg, err)
			}
			return point[1:], nil // RFC 6605 section 4: X | Y, without the leading 4
		}
	case ed25519.PublicKey:
		if alg == policy.ED25519 {
			return append([]byte(nil), pub...), nil
		}
	}
	return nil, fmt.Errorf("public key of type %T does not fit algorithm %s", pub, alg)
}

// encodeRSA makes the form of RFC 3110 section 2: length of the exponent in one
// octet, or in two after a zero octet, then exponent and modulus.
func encodeRSA(pub *rsa.PublicKey) ([]byte, error) {
	if err := checkModulus(pub.N.BitLen()); err != nil {
		return nil, err
	}
	exponent := big.NewInt(int64(pub.E)).Bytes()
	out := append([]byte{byte(len(exponent))}, exponent...)
	return append(out, pub.N.Bytes()...), nil
}

func decodeRSA(b []byte) (*rsa.PublicKey, error) {
	if len(b) < 3 {
		return nil, errors.New("public key of RSA is too short")
	}
	n, b := int(b[0]), b[1:]
	if n == 0 {
		n, b = int(b[0])<<8|int(b[1]), b[2:]
	}
	if n == 0 || n >= len(b) {
		return nil, errors.New("public key of RSA: the exponent's length is wrong")
	}
	if b[0] == 0 || b[n] == 0 {
		return nil, errors.New("public key of RSA: exponent or modulus begins with a zero octet (RFC 3110 section 2)")
	}
	exponent, modulus := new(big.Int).SetBytes(b[:n]), new(big.Int).SetBytes(b[n:])
	if err := checkModulus(modulus.BitLen()); err != nil {
		return nil, err
	}
	if exponent.Cmp(big.NewInt(maxExponent)) > 0 || exponent.Bit(0) == 0 || exponent.Cmp(big.NewInt(3)) < 0 {
		return nil, fmt.Errorf("public key of RSA: exponent %s is not supported: odd, 3 to 2^31-1", exponent)
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func checkModulus(bits int) error {
	if err := policy.RSASHA256.CheckBits(bits); err != nil {
		return fmt.Errorf("public key of RSA: %w", err)
	}
	return nil
}

// decodeECDSA reads X | Y (RFC 6605 section 4); the point must lie on the curve.
func decodeECDSA(curve elliptic.Curve, alg policy.Algorithm, b []byte) (*ecdsa.PublicKey, error) {
	if want := curve.Params().BitSize / 4; len(b) != want {
		return nil, fmt.Errorf("public key of %s has %d octets, not %d", alg, len(b), want)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, append([]byte{4}, b...))
	if err != nil {
		return nil, fmt.Errorf("public key of %s is no point of the curve", alg)
	}
	return pub, nil
}
