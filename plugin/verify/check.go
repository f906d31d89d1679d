package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
)

// Check is one signature that is to be verified: an RRset, an RRSIG whose fields
// were found right, and the key that it names.
type Check struct {
	Owner []byte // wire form, lower case
	Type  uint16 // type covered
	RRSIG []byte // RDATA
	set   []byte // as each reads it
	key   *publicKey
}

// Clone returns a copy that stays valid.
func (c Check) Clone() Check {
	c.Owner, c.RRSIG, c.set = bytes.Clone(c.Owner), bytes.Clone(c.RRSIG), bytes.Clone(c.set)
	return c
}

// Verify does the arithmetic: RFC 4035 section 5.3.3 with the signed data of
// RFC 4034 section 3.1.8.1.
func (c Check) Verify() error {
	if c.key.verify(c.signedData(), c.RRSIG[signatureAt(c.RRSIG):]) {
		return nil
	}
	return &Error{Origin: c.RRSIG[18:signatureAt(c.RRSIG)], Faults: []Fault{c.failure()}}
}

func (c Check) failure() Fault {
	return Fault{bytes.Clone(c.Owner), c.Type, fmt.Sprintf("the signature by key %d (algorithm %d) does not verify", c.key.tag, c.key.algorithm)}
}

// signedData returns what the signature is over.
func (c Check) signedData() []byte {
	at := signatureAt(c.RRSIG)
	data := make([]byte, 0, 2*len(c.set)+at+(len(c.Owner)+10)*4)
	data = append(data, c.RRSIG[:18]...)
	data = appendLower(data, c.RRSIG[18:at])
	owner := c.Owner
	if signed := int(c.RRSIG[3]); isWildcard(owner) && countLabels(owner)-1 == signed {
		// the wildcard itself: its asterisk is not counted
	} else if countLabels(owner) > signed {
		owner = wildcardOf(ancestor(owner, signed))
	}
	sorted, _ := canonicalSet(c.Type, c.set)
	for _, rdata := range sorted {
		data = append(data, owner...)
		data = append(data, byte(c.Type>>8), byte(c.Type), 0, 1)
		data = append(data, c.RRSIG[4:8]...)
		data = append(data, byte(len(rdata)>>8), byte(len(rdata)))
		data = append(data, rdata...)
	}
	return data
}

// signatureAt returns where the signature starts in a well-formed RRSIG.
func signatureAt(rrsig []byte) int {
	off := 18
	for rrsig[off] != 0 {
		off += 1 + int(rrsig[off])
	}
	return off + 1
}

// verify checks one signature over data.
func (k *publicKey) verify(data, signature []byte) bool {
	if len(signature) != k.size {
		return false
	}
	switch k.algorithm {
	case 8:
		sum := sha256.Sum256(data)
		return rsa.VerifyPKCS1v15(k.public.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) == nil
	case 10:
		sum := sha512.Sum512(data)
		return rsa.VerifyPKCS1v15(k.public.(*rsa.PublicKey), crypto.SHA512, sum[:], signature) == nil
	case 13:
		sum := sha256.Sum256(data)
		return verifyECDSA(k.public.(*ecdsa.PublicKey), sum[:], signature)
	case 14:
		sum := sha512.Sum384(data)
		return verifyECDSA(k.public.(*ecdsa.PublicKey), sum[:], signature)
	case 15:
		return ed25519.Verify(k.public.(ed25519.PublicKey), data, signature)
	}
	return false
}

// verifyECDSA checks r and s as RFC 6605 section 4 writes them.
func verifyECDSA(k *ecdsa.PublicKey, sum, signature []byte) bool {
	half := len(signature) / 2
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	return ecdsa.Verify(k, sum, r, s)
}

var errRRSIG = errors.New("malformed RRSIG")

// rrsig are the fields of an RRSIG (RFC 4034 section 3.1).
type rrsig struct {
	covered, tag          uint16
	algorithm, labels     uint8
	ttl                   uint32
	expiration, inception uint32
	signer                []byte // any case
	signature             []byte
}

func parseRRSIG(b []byte) (r rrsig, err error) {
	if len(b) < 19 {
		return r, errRRSIG
	}
	end := 18
	for end < len(b) && b[end] != 0 && b[end] <= 63 {
		end += 1 + int(b[end])
	}
	if end >= len(b)-1 || b[end] != 0 || end+1-18 > 255 {
		return r, errRRSIG
	}
	return rrsig{
		covered: be16(b), algorithm: b[2], labels: b[3], ttl: be32(b[4:]),
		expiration: be32(b[8:]), inception: be32(b[12:]), tag: be16(b[16:]),
		signer: b[18 : end+1], signature: b[end+1:],
	}, nil
}
