"""What happens to a batch on its device: resizing and augmentation."""
