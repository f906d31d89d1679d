package simulate

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

const day = 24 * time.Hour

func base() Setup {
	p := policy.Default()
	p.KSKLifetime = 365 * day
	p.CSKLifetime = 365 * day
	return Setup{Zone: "example.org.", Policy: p, For: 3 * 365 * day, Seed: 1,
		Parent: Parent{Zone: "org.", Delay: 2 * day, Spread: 3 * time.Hour}}
}

func TestX(t *testing.T) {
	h := Run(base())
	for _, x := range h.Transitions {
		t.Log(x.At.Format("2006-01-02 15:04"), x.Key, x.Tag, x.Record, x.From, x.To, x.Why)
	}
	for _, x := range h.Waiting {
		t.Log(x)
	}
	for _, x := range h.Bogus {
		t.Error(x)
	}
	t.Log(h.Steps, h.MostKeys)
}
