package mysql

import (
	"net"
	"strconv"

	"github.com/go-sql-driver/mysql"
)

func (m *MySQL) driverConfig() (*mysql.Config, error) {
	port := m.cfg.Port
	if port == 0 {
		port = 3306
	}
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", net.JoinHostPort(m.cfg.Host, strconv.Itoa(port))
	c.User, c.Passwd = m.cfg.User, m.cfg.Password
	return c, nil
}
