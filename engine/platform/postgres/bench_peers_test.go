package postgres

func (b *bench) peers() {}
