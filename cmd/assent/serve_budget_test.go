package main

import (
	"errors"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
)

func TestSweepsKeepWithinTheLimits(t *testing.T) {
	now := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	var b budget
	for range 1000 {
		if pause, err := b.pause(now); pause != 0 || err != nil {
			t.Fatalf("without a limit: %v %v", pause, err)
		}
	}
	b.heard(github.Call{Remaining: 5000, Limit: 5000, Reset: now.Add(time.Hour)})
	at := now
	within := 0 // a minute
	for range 400 {
		pause, err := b.pause(at)
		if err != nil {
			t.Fatal(err)
		}
		if at = at.Add(pause); at.Before(now.Add(time.Minute)) {
			within++
		}
	}
	if within < 100 || within > 165 {
		t.Errorf("%d looks in the first minute, want the burst of 60 and 100 more", within)
	}
	if took := at.Sub(now); took < 200*time.Second {
		t.Errorf("400 looks took %v", took)
	}
	b.heard(github.Call{Remaining: -1})
	b.heard(github.Call{Remaining: 1249, Limit: 5000, Reset: now.Add(time.Hour)})
	_, err := b.pause(at)
	if !errors.Is(err, forge.ErrThrottled) || !forge.RetryAt(err).Equal(now.Add(time.Hour)) {
		t.Errorf("with a quarter left: %v until %v", err, forge.RetryAt(err))
	}
	if _, err := b.pause(now.Add(time.Hour)); err != nil {
		t.Errorf("when the limit is whole again: %v", err)
	}
}
