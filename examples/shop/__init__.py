"""The handlers of a shop, by department. `shop_worker.py` includes them."""
