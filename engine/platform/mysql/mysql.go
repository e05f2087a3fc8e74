// Package mysql carries out roles and grants in MariaDB 10.11 and newer, and
// speaks the grammar of MySQL 8 where the two differ. Only MariaDB 10.11 has
// been run: what is for MySQL alone is written from its manual and marked so.
package mysql

import (
	"context"
	"sync"

	"github.com/go-sql-driver/mysql"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var _ platform.Platform = (*MySQL)(nil)

// Config says how to reach one server.
type Config struct {
	Connection resource.Name // the name that grants on this server carry
	Host       string
	Port       int    // 3306 where zero
	TLS        string // verify-full where empty, verify-ca, require, disable
	User       string
	Password   string
	// NoEndSessions leaves the open sessions of a person whose access ended
	// alone. On MariaDB such a session keeps its roles until it disconnects.
	NoEndSessions bool
}

// MySQL is one server under governance. Its methods may be called from several
// goroutines; they take turns.
type MySQL struct {
	cfg    Config
	driver *mysql.Config
	mu     sync.Mutex
	// closed is set for good by Close.
	closed bool
}

// Open checks the configuration. The connection is made by the first call that
// needs it, and again after it was lost.
func Open(_ context.Context, cfg Config) (*MySQL, error) {
	m := &MySQL{cfg: cfg}
	d, err := m.driverConfig()
	if err != nil {
		return nil, err
	}
	m.driver = d
	return m, nil
}

// Capabilities implements platform.Platform.
func (m *MySQL) Capabilities() platform.Capabilities {
	return platform.Capabilities{
		Masks: []resource.MaskType{
			resource.MaskNull, resource.MaskConstant, resource.MaskHash,
			resource.MaskRegex, resource.MaskPartial, resource.MaskRound,
		},
		AccessLevels: []resource.AccessLevel{resource.Read, resource.Write},
		EndSessions:  !m.cfg.NoEndSessions,
	}
}

// Close implements platform.Platform. Every later call is an error.
func (m *MySQL) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
