package own_test
