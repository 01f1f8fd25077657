"""Signal equations, fat spectra and tissue values that simulation and fitting share."""
