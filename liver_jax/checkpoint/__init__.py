"""Save, resume and transfer of training runs; the only room that knows Orbax."""
