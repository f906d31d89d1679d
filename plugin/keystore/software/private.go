package software

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// privateFile is what a .private file says.
type privateFile struct {
	algorithm policy.Algorithm
	signer    crypto.Signer
	timing    keystore.Timing
}

// formatTag opens every .private file. Version 1.3 has timing metadata.
const (
	formatTag     = "Private-key-format"
	formatVersion = "v1.3"
)

// parsePrivate reads the text of a .private file. Its errors never show a value.
func parsePrivate(text string) (privateFile, error) {
	l, err := parseLines(text)
	if err != nil {
		return privateFile{}, err
	}
	if len(l) == 0 || l[0].tag != formatTag {
		return privateFile{}, fmt.Errorf("line 1: %s is expected", formatTag)
	}
	if !strings.HasPrefix(l[0].value, "v1.") {
		return privateFile{}, fmt.Errorf("line 1: %s %q is not v1", formatTag, l[0].value)
	}
	var f privateFile
	number, _, _ := strings.Cut(l.value("Algorithm"), " ")
	if f.algorithm, err = policy.ParseAlgorithm(number); err != nil {
		return privateFile{}, err
	}
	if l.value("Label") != "" || l.value("Engine") != "" {
		return privateFile{}, errors.New("the private key is kept in a hardware module (Label, Engine), which is not supported")
	}
	if f.timing, err = parseTiming(l); err != nil {
		return privateFile{}, err
	}
	switch f.algorithm {
	case policy.ECDSAP256SHA256:
		f.signer, err = parseECDSA(l, elliptic.P256())
	case policy.ECDSAP384SHA384:
		f.signer, err = parseECDSA(l, elliptic.P384())
	case policy.ED25519:
		f.signer, err = parseEd25519(l)
	default:
		f.signer, err = parseRSA(l)
	}
	if err != nil {
		return privateFile{}, err
	}
	return f, nil
}

// binary returns a value that is written in base64. The number of octets must be
// want, unless that is 0.
func (l lines) binary(tag string, want int) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(l.value(tag))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: not base64", tag)
	case len(b) == 0:
		return nil, fmt.Errorf("%s is missing", tag)
	case want != 0 && len(b) != want:
		return nil, fmt.Errorf("%s: %d octets, not %d", tag, len(b), want)
	}
	return b, nil
}

func parseECDSA(l lines, curve elliptic.Curve) (crypto.Signer, error) {
	size := curve.Params().BitSize / 8
	b, err := l.binary("PrivateKey", 0)
	if err != nil {
		return nil, err
	}
	if len(b) > size {
		return nil, fmt.Errorf("PrivateKey: %d octets, not %d", len(b), size)
	}
	// Old versions of BIND left leading zeros away.
	full := make([]byte, size)
	copy(full[size-len(b):], b)
	k, err := ecdsa.ParseRawPrivateKey(curve, full)
	if err != nil {
		return nil, errors.New("PrivateKey: not a key of this curve")
	}
	return k, nil
}

func parseEd25519(l lines) (crypto.Signer, error) {
	seed, err := l.binary("PrivateKey", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func parseRSA(l lines) (crypto.Signer, error) {
	var n [5]*big.Int
	for i, tag := range []string{"Modulus", "PublicExponent", "PrivateExponent", "Prime1", "Prime2"} {
		b, err := l.binary(tag, 0)
		if err != nil {
			return nil, err
		}
		n[i] = new(big.Int).SetBytes(b)
	}
	if bits := n[0].BitLen(); policy.RSASHA256.CheckBits(bits) != nil {
		return nil, fmt.Errorf("line Modulus: %w", policy.RSASHA256.CheckBits(bits))
	}
	if n[1].BitLen() > 31 {
		return nil, errors.New("PublicExponent is 2^31 or more, which is not supported")
	}
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: n[0], E: int(n[1].Int64())},
		D:         n[2],
		Primes:    []*big.Int{n[3], n[4]},
	}
	if err := k.Validate(); err != nil {
		return nil, errors.New("the numbers of the RSA key do not fit each other")
	}
	k.Precompute()
	return k, nil
}

// formatPrivate writes a .private file.
func formatPrivate(alg policy.Algorithm, signer crypto.Signer, t keystore.Timing) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\nAlgorithm: %d (%s)\n", formatTag, formatVersion, alg, alg)
	put := func(tag string, value []byte) {
		fmt.Fprintf(&b, "%s: %s\n", tag, base64.StdEncoding.EncodeToString(value))
	}
	switch k := signer.(type) {
	case *rsa.PrivateKey:
		k.Precompute()
		put("Modulus", k.N.Bytes())
		put("PublicExponent", big.NewInt(int64(k.E)).Bytes())
		put("PrivateExponent", k.D.Bytes())
		put("Prime1", k.Primes[0].Bytes())
		put("Prime2", k.Primes[1].Bytes())
		put("Exponent1", k.Precomputed.Dp.Bytes())
		put("Exponent2", k.Precomputed.Dq.Bytes())
		put("Coefficient", k.Precomputed.Qinv.Bytes())
	case *ecdsa.PrivateKey:
		raw, err := k.Bytes()
		if err != nil {
			return nil, err
		}
		put("PrivateKey", raw)
	case ed25519.PrivateKey:
		put("PrivateKey", k.Seed())
	default:
		return nil, fmt.Errorf("private key of type %T cannot be written", signer)
	}
	for _, f := range timingFields(t) {
		fmt.Fprintf(&b, "%s: %s\n", f.tag, f.value.Format(timeFormat))
	}
	return []byte(b.String()), nil
}
